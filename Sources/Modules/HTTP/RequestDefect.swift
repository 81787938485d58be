// SPDX-License-Identifier: Apache-2.0

/// Everything that can be wrong with a request before a handler sees it, or with its body while one reads it.
///
/// Each is answered with its status, and the connection is closed: behind a message whose framing is in doubt, nothing
/// can be read with certainty (RFC 9112 §9.6).
package enum RequestDefect: Error, Equatable, Sendable, CaseIterable {
    // Lines (RFC 9112 §2.2, §3)
    case malformedRequestLine
    case bareLineFeed
    case bareCarriageReturn
    case requestLineTooLong
    case headTooLarge
    case tooManyFields
    // Method and version
    case methodRefused
    case malformedVersion
    case unsupportedVersion
    // Target (RFC 9112 §3.2, RFC 3986)
    case malformedTarget
    case malformedPercentEncoding
    case encodedSlash
    case controlInTarget
    case dotSegment
    case tooManyQueryItems
    // Fields (RFC 9112 §5)
    case malformedField
    case spaceBeforeColon
    case obsoleteFold
    case controlInField
    // Host (RFC 9112 §3.2)
    case missingHost
    case duplicateHost
    case malformedHost
    // Framing (RFC 9112 §6)
    case malformedContentLength
    case duplicateContentLength
    case lengthAndTransferEncoding
    case transferEncodingInHTTP10
    case malformedTransferEncoding
    case unknownTransferCoding
    case unsupportedExpectation
    // Body (RFC 9112 §7)
    case malformedChunk
    case bodyTooLarge
    case trailersTooLarge
    // Time
    case headTimeout
    case bodyTimeout

    /// The status of the answer.
    package var status: Status {
        switch self {
        case .headTimeout, .bodyTimeout: 408
        case .methodRefused: 405
        case .bodyTooLarge: 413
        case .requestLineTooLong: 414
        case .unsupportedExpectation: 417
        case .headTooLarge, .tooManyFields, .trailersTooLarge: 431
        case .unknownTransferCoding: 501
        case .unsupportedVersion: 505
        default: 400
        }
    }

    /// One sentence for the client, lower case and without a full stop. It quotes nothing of the request.
    package var message: String {
        switch self {
        case .malformedRequestLine: "the request line is not a method, a target and a version with one space between"
        case .bareLineFeed: "a line ends with LF alone; lines end with CR LF"
        case .bareCarriageReturn: "there is a CR without its LF"
        case .requestLineTooLong: "the request line is too long"
        case .headTooLarge: "the head of the request is too large"
        case .tooManyFields: "the request has too many header fields"
        case .methodRefused: "this server does not know CONNECT and TRACE"
        case .malformedVersion: "the request line does not end with a version such as HTTP/1.1"
        case .unsupportedVersion: "this server speaks HTTP/1.1 and HTTP/1.0"
        case .malformedTarget: "the target of the request is not a path or an absolute http URL"
        case .malformedPercentEncoding:
            "the target holds a % that is not followed by two hexadecimal digits, or not UTF-8"
        case .encodedSlash: "a segment of the path holds an encoded slash or backslash"
        case .controlInTarget: "the target holds an encoded control character"
        case .dotSegment: "the path holds a segment . or .."
        case .tooManyQueryItems: "the query has too many items"
        case .malformedField: "a header field is not a name, a colon and a value"
        case .spaceBeforeColon: "there is white space between a header field's name and its colon"
        case .obsoleteFold: "a header field is folded over two lines"
        case .controlInField: "a header field holds a control character"
        case .missingHost: "the request has no Host field"
        case .duplicateHost: "the request has more than one Host field"
        case .malformedHost: "the Host field is not a host name with an optional port"
        case .malformedContentLength: "the Content-Length is not a decimal number"
        case .duplicateContentLength: "the request has more than one Content-Length"
        case .lengthAndTransferEncoding: "the request has both Content-Length and Transfer-Encoding"
        case .transferEncodingInHTTP10: "Transfer-Encoding does not exist in HTTP/1.0"
        case .malformedTransferEncoding: "the Transfer-Encoding does not end with chunked, once"
        case .unknownTransferCoding: "chunked is the only transfer coding this server knows"
        case .unsupportedExpectation: "100-continue is the only expectation this server knows"
        case .malformedChunk: "the chunked body is malformed"
        case .bodyTooLarge: "the body of the request is too large"
        case .trailersTooLarge: "the trailer fields are too large"
        case .headTimeout: "the head of the request took too long to arrive"
        case .bodyTimeout: "the body of the request took too long to arrive"
        }
    }
}
