// SPDX-License-Identifier: Apache-2.0

import Bytes

/// How the end of a message's body is found (RFC 9112 §6.3).
package enum BodyFraming: Equatable, Sendable {
    /// The message ends with its head.
    case none
    /// This many bytes.
    case length(Int)
    /// Chunks and trailers.
    case chunked
    /// All bytes up to the end of the connection. Responses only.
    case untilClose
}

extension BodyFraming {
    /// The framing of a request. There is no case in which a guess is made: what two readers could read in two ways is
    /// refused, which is stricter than RFC 9112 §6.3 in two places: equal Content-Length fields are not merged, and
    /// Transfer-Encoding does not override Content-Length.
    static func request(_ fields: Fields, _ version: Version, bodyBytesMax: Int) throws(RequestDefect) -> BodyFraming {
        let lengths = fields.count(of: .contentLength)
        let encodings = fields.count(of: .transferEncoding)
        if encodings > 0 {
            guard version == .http11 else { throw .transferEncodingInHTTP10 }
            guard lengths == 0 else { throw .lengthAndTransferEncoding }
            switch TransferCoding.of(fields) {
            case .chunked: return .chunked
            case .unknownThenChunked: throw .unknownTransferCoding
            case .malformed: throw .malformedTransferEncoding
            }
        }
        guard lengths > 0 else { return .none }
        guard lengths == 1 else { throw .duplicateContentLength }
        switch ContentLength.of(fields) {
        case .bytes(0): return .none
        case .bytes(let bytes) where bytes <= bodyBytesMax: return .length(bytes)
        case .bytes, .tooLarge: throw .bodyTooLarge
        case .malformed: throw .malformedContentLength
        }
    }

    /// The framing of a response to a request with `method`; nil if it is in doubt, which makes the whole answer
    /// worthless (RFC 9112 §6.3: a gateway answers 502).
    static func response(_ fields: Fields, _ version: Version, _ status: Status, to method: Method) -> BodyFraming? {
        if method == .head || status.forbidsBody { return BodyFraming.none }
        let lengths = fields.count(of: .contentLength)
        let encodings = fields.count(of: .transferEncoding)
        if encodings > 0 {
            guard version == .http11, lengths == 0, TransferCoding.of(fields) == .chunked else { return nil }
            return .chunked
        }
        guard lengths > 0 else { return .untilClose }
        guard lengths == 1, case .bytes(let bytes) = ContentLength.of(fields) else { return nil }
        return bytes == 0 ? BodyFraming.none : .length(bytes)
    }
}

/// The one Content-Length of a message: `1*DIGIT` and nothing else (RFC 9110 §8.6).
private enum ContentLength {
    case bytes(Int)
    case tooLarge
    case malformed

    static func of(_ fields: Fields) -> ContentLength {
        fields.withValue(of: .contentLength) { value in
            if let bytes = value.decimal { return .bytes(bytes) }
            guard !value.isEmpty else { return .malformed }
            for index in 0..<value.count where !value[index].isASCIIDigit { return .malformed }
            return .tooLarge
        } ?? .malformed
    }
}

/// What the Transfer-Encoding fields of a message say, taken together as one list.
private enum TransferCoding {
    case chunked
    /// Something else, and `chunked` last: readable by one who knows the rest.
    case unknownThenChunked
    /// `chunked` not last, twice, or not at all; an empty element.
    case malformed

    static func of(_ fields: Fields) -> TransferCoding {
        let values = fields.all(.transferEncoding)
        if values.count == 1, values[0].equalsIgnoringASCIICase("chunked") { return .chunked }
        let codings = values.flatMap { $0.split(separator: ",", omittingEmptySubsequences: false) }
            .map { String($0).trimmed }
        let isLast = codings.last?.equalsIgnoringASCIICase("chunked") == true
        let isOnce = codings.count { $0.equalsIgnoringASCIICase("chunked") } == 1
        let areTokens = codings.allSatisfy { coding in coding.utf8.allSatisfy { $0.isHTTPToken } && !coding.isEmpty }
        return isLast && isOnce && areTokens && codings.count > 1 ? .unknownThenChunked : .malformed
    }
}

extension String {
    /// Without spaces and tabs at both ends.
    var trimmed: String {
        let bytes = Array(utf8)
        return String(decoding: bytes[bytes.span.trimming(0..<bytes.count)], as: UTF8.self)
    }
}
