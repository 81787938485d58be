// SPDX-License-Identifier: Apache-2.0

import Bytes
import JSON

/// Embeddings of the built-in model: character trigrams hashed into a vector of unit length, each with a sign of its own
/// (Weinberger et al. 2009, "Feature hashing for large scale multitask learning"). The same text gives the same vector on
/// every machine, and similar texts give near ones.
enum BuiltinEmbedding {
    /// Dimensions if the request names none, and the most it may name.
    static let dimensions = 256
    static let dimensionsMax = 4096
    /// Numbers in one answer: 2,048 inputs, OpenAI's limit, in the usual dimensions.
    static let numbersMax = 2_048 * dimensions

    /// The body of an answer to an embeddings request that the field table has passed.
    static func respond(to root: JSONNode, model: String) throws(Fault) -> [UInt8] {
        let count = root["dimensions"]?.int ?? dimensions
        guard (1...dimensionsMax).contains(count) else {
            throw .invalid("dimensions", "This model has 1 to \(dimensionsMax) dimensions.")
        }
        let texts = try inputs(root)
        guard texts.count <= numbersMax / count else {
            throw .invalid("dimensions", "Inputs times dimensions must be at most \(numbersMax) for this model.")
        }
        let isBase64 = root["encoding_format"]?.string == "base64"
        var tokens = 0
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("object", "list")
            writer.array("data") { writer in
                for (index, text) in texts.enumerated() {
                    tokens += BuiltinTokens.count(text)
                    let vector = vector(of: text, dimensions: count)
                    writer.object { writer in
                        writer.member("object", "embedding")
                        writer.member("index", index)
                        if isBase64 {
                            writer.member("embedding", base64(vector))
                        } else {
                            writer.array("embedding") { writer in
                                for value in vector { writer.double(Double(value)) }
                            }
                        }
                    }
                }
            }
            writer.member("model", model)
            writer.object("usage") { writer in
                writer.member("prompt_tokens", tokens)
                writer.member("total_tokens", tokens)
            }
        }
        return writer.bytes
    }

    /// A vector of length one; of an empty text, the first unit vector.
    static func vector(of text: String, dimensions: Int) -> [Float] {
        var vector = [Float](repeating: 0, count: dimensions)
        let bytes = [0x02] + Array(text.lowercased().utf8) + [0x03]
        if bytes.count >= 3 {
            for start in 0...(bytes.count - 3) {
                let hash = hash(bytes[start..<(start + 3)])
                vector[Int(hash % UInt64(dimensions))] += hash >> 63 == 0 ? 1 : -1
            }
        }
        let length = vector.reduce(0) { $0 + $1 * $1 }.squareRoot()
        guard length > 0 else {
            vector[0] = 1
            return vector
        }
        return vector.map { $0 / length }
    }

    /// Little-endian float32 in base64, OpenAI's `encoding_format: base64`.
    static func base64(_ vector: [Float]) -> String {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(vector.count * 4)
        for value in vector {
            let bits = value.bitPattern
            for shift in [0, 8, 16, 24] as [UInt32] { bytes.append(UInt8(truncatingIfNeeded: bits >> shift)) }
        }
        return Base64.encode(bytes)
    }

    /// FNV-1a (Fowler, Noll, Vo) with a final mix, since neighbouring trigrams differ in few bits.
    private static func hash(_ bytes: ArraySlice<UInt8>) -> UInt64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
        hash ^= hash >> 32
        hash = hash &* 0x9E37_79B9_7F4A_7C15
        return hash ^ (hash >> 29)
    }

    /// One text, several, or tokens, which are taken as words.
    private static func inputs(_ root: JSONNode) throws(Fault) -> [String] {
        guard let input = root["input"] else { throw .invalid("input", "Missing required parameter.") }
        if let text = input.string { return [text] }
        let elements = Array(input.elements)
        if elements.first?.kind == .number { return [words(input)] }
        return elements.map { $0.string ?? words($0) }
    }

    private static func words(_ tokens: JSONNode) -> String {
        tokens.elements.map(\.rawText).joined(separator: " ")
    }
}
