// SPDX-License-Identifier: Apache-2.0

import Bytes
import Core
import HTTP

/// The form of an upload as it comes in (RFC 7578): one file, its purpose, perhaps a term, in any order. A value without
/// input or output: bytes in, chunks out.
struct UploadForm: Sendable {
    private(set) var filename: String?
    private(set) var mediaType: String?
    private(set) var purpose: FilePurpose?
    private(set) var expiresAfterSeconds: Int?
    /// Bytes of the file so far.
    private(set) var fileBytes = 0

    private var parser: MultipartParser
    private let fileBytesMax: Int
    /// What the file has beyond its whole chunks; once more bytes follow, a chunk is known not to be the last.
    private var rest: [UInt8] = []
    /// The field that is being read, and its text so far.
    private var field: (name: String, text: [UInt8])?
    private var isInFile = false
    private var seen: Set<String> = []
    private var isAtEnd = false

    /// The fields beside the file, as OpenAI names them.
    private static let fields = ["purpose", "expires_after[anchor]", "expires_after[seconds]"]
    private static let fieldBytesMax = 64
    /// OpenAI's own range: an hour to thirty days.
    private static let expirySeconds = 3_600...2_592_000

    /// - Throws: `unsupported_media_type` for a content type that is no form's.
    init(contentType: String?, fileBytesMax: Int) throws(Failure) {
        guard let boundary = contentType.flatMap(MultipartParser.boundary) else {
            throw Failure(.unsupportedMediaType, "the body must be sent as content-type: multipart/form-data")
        }
        parser = MultipartParser(boundary: boundary)
        self.fileBytesMax = fileBytesMax
    }

    /// Takes some of the body.
    ///
    /// - Returns: chunks of the file that are complete and not its last.
    mutating func take(_ bytes: [UInt8]) throws(Failure) -> [[UInt8]] {
        parser.append(bytes)
        var chunks: [[UInt8]] = []
        while let event = try next() {
            switch event {
            case .part(let part): try begin(part)
            case .data(let data): try take(data, &chunks)
            case .endOfPart: try endPart()
            case .end: isAtEnd = true
            }
        }
        return chunks
    }

    /// To be asked at the end of the body, when everything must have been there.
    ///
    /// - Returns: the last chunk.
    mutating func finish() throws(Failure) -> [UInt8] {
        guard isAtEnd else { throw Self.malformed }
        guard seen.contains("file") else { throw Failure(.invalidParameter, "must be given", param: "file") }
        guard purpose != nil else { throw Failure(.invalidParameter, "must be given", param: "purpose") }
        let hasAnchor = seen.contains("expires_after[anchor]")
        guard hasAnchor == (expiresAfterSeconds != nil) else {
            throw Failure(.invalidParameter, "needs both anchor and seconds", param: "expires_after")
        }
        defer { rest = [] }
        return rest
    }

    private mutating func next() throws(Failure) -> MultipartParser.Event? {
        do throws(MultipartDefect) {
            return try parser.next()
        } catch {
            throw Self.malformed
        }
    }

    private mutating func begin(_ part: MultipartPart) throws(Failure) {
        guard part.name == "file" || Self.fields.contains(part.name) else {
            throw Failure(.unknownParameter, "unknown parameter", param: String(part.name.prefix(64)))
        }
        guard seen.insert(part.name).inserted else {
            throw Failure(.invalidParameter, "may be given once", param: part.name)
        }
        guard part.name == "file" else {
            field = (part.name, [])
            return
        }
        guard let name = part.filename, (1...NodesLimits.filenameBytesMax).contains(name.utf8.count), name.isOneLine
        else {
            throw Failure(
                .invalidParameter,
                "must be a file with a name of 1 to \(NodesLimits.filenameBytesMax) bytes in one line", param: "file")
        }
        guard part.contentType.map({ $0.utf8.count <= NodesLimits.mediaTypeBytesMax }) ?? true else {
            throw Failure(.invalidParameter, "has a media type that is too long", param: "file")
        }
        filename = name
        mediaType = part.contentType
        isInFile = true
    }

    private mutating func take(_ data: [UInt8], _ chunks: inout [[UInt8]]) throws(Failure) {
        guard isInFile else {
            guard (field?.text.count ?? 0) + data.count <= Self.fieldBytesMax else {
                throw Failure(.invalidParameter, "is too long", param: field?.name)
            }
            field?.text += data
            return
        }
        fileBytes += data.count
        guard fileBytes <= fileBytesMax else {
            throw Failure(.payloadTooLarge, "a file has at most \(fileBytesMax) bytes", param: "file")
        }
        rest += data
        var start = 0
        while rest.count - start > FileChunk.bytes {
            chunks.append(Array(rest[start..<start + FileChunk.bytes]))
            start += FileChunk.bytes
        }
        rest.removeFirst(start)
    }

    private mutating func endPart() throws(Failure) {
        isInFile = false
        guard let (name, bytes) = field.take() else { return }
        let text = String(decoding: bytes, as: UTF8.self)
        switch name {
        case "purpose":
            guard let purpose = FilePurpose(rawValue: text) else {
                let words = FilePurpose.allCases.map { "\"\($0.rawValue)\"" }.joined(separator: ", ")
                throw Failure(.invalidParameter, "must be one of \(words)", param: name)
            }
            self.purpose = purpose
        case "expires_after[anchor]":
            guard text == "created_at" else { throw Failure(.invalidParameter, "must be \"created_at\"", param: name) }
        default:
            guard let seconds = Int(text), Self.expirySeconds.contains(seconds) else {
                throw Failure(.invalidParameter, "must be 3600 to 2592000", param: name)
            }
            expiresAfterSeconds = seconds
        }
    }

    private static var malformed: Failure { Failure(.invalidParameter, "the body is no well-formed form") }
}
