// SPDX-License-Identifier: Apache-2.0

import Bytes

/// Reads a chunked body (RFC 9112 §7.1) as it comes in.
///
///     size [ ;extension ] CR LF  data CR LF  …  0 [ ;extension ] CR LF  [ trailer CR LF … ]  CR LF
///
/// Size and trailer lines are bounded, and judged when they are whole, collected where they come in pieces; data is copied
/// through. Extensions are checked and dropped, trailers are checked and dropped: nothing of a message may change behind its
/// head.
package struct ChunkedDecoder: Sendable {
    /// What is wrong with the body.
    package enum Defect: Error, Equatable, Sendable {
        case malformed
        case trailersTooLarge
    }

    private enum State: Equatable {
        case sizeLine
        case data(remaining: Int)
        case dataCarriageReturn
        case dataLineFeed
        case trailerLine
        case end
    }

    private var state = State.sizeLine
    private var line: [UInt8] = []
    private var extensionBytes = 0
    private var trailerBytes = 0
    private var trailers = 0
    private let trailersMax: Int

    /// - Parameter trailersMax: the most trailer lines.
    package init(trailersMax: Int) {
        self.trailersMax = trailersMax
    }

    /// True once the last byte of the body has been consumed; what follows is the next message.
    package var isAtEnd: Bool { state == .end }

    /// Consumes what it can of `input` and appends the data in it to `output`.
    ///
    /// - Parameter outputMax: appends at most so many bytes, and stops there.
    /// - Returns: the number of bytes consumed. Less than `input.count` only at the end or at `outputMax`.
    package mutating func decode(
        _ input: Span<UInt8>, into output: inout [UInt8], outputMax: Int
    ) throws(Defect) -> Int {
        var index = 0
        var room = outputMax
        while index < input.count {
            switch state {
            case .sizeLine, .trailerLine: try takeLine(input, &index)
            case .data(let remaining):
                let taken = min(remaining, input.count - index, room)
                guard taken > 0 else { return index }
                output.append(input.extracting(index..<(index + taken)))
                index += taken
                room -= taken
                state = taken == remaining ? .dataCarriageReturn : .data(remaining: remaining - taken)
            case .dataCarriageReturn:
                guard input[index] == Octet.carriageReturn else { throw .malformed }
                index += 1
                state = .dataLineFeed
            case .dataLineFeed:
                guard input[index] == Octet.lineFeed else { throw .malformed }
                index += 1
                state = .sizeLine
            case .end:
                return index
            }
        }
        return index
    }

    /// Takes a line up to its LF, or what has come of it.
    private mutating func takeLine(_ input: Span<UInt8>, _ index: inout Int) throws(Defect) {
        let lineFeed = input.firstIndex(of: Octet.lineFeed, from: index)
        let end = lineFeed.map { $0 + 1 } ?? input.count
        guard line.count + (end - index) <= HTTPMaxima.chunkLineBytes else {
            throw state == .trailerLine ? .trailersTooLarge : .malformed
        }
        let piece = input.extracting(index..<end)
        index = end
        // Nearly every line comes whole, and is judged where it stands.
        if line.isEmpty, lineFeed != nil { return try receive(line: piece) }
        line.append(piece)
        guard lineFeed != nil else { return }
        let whole = exchange(&line, with: [])
        try receive(line: whole.span)
    }

    /// - Parameter line: with its CR LF.
    private mutating func receive(line: Span<UInt8>) throws(Defect) {
        guard line.count >= 2, line[line.count - 2] == Octet.carriageReturn else { throw .malformed }
        let text = line.extracting(..<(line.count - 2))
        if state == .trailerLine { try receiveTrailer(text) } else { try receiveSize(text) }
    }

    /// `chunk-size [ chunk-ext ]`
    private mutating func receiveSize(_ line: Span<UInt8>) throws(Defect) {
        var digits = 0
        while digits < line.count, line[digits].hexDigitValue != nil { digits += 1 }
        // Sixteen digits are more than any number below 2^63 needs; more are only ever zeros in front, or an attack.
        guard digits <= 16, let size = line.extracting(0..<digits).hexadecimal else { throw .malformed }
        if digits < line.count {
            extensionBytes += line.count - digits
            guard extensionBytes <= HTTPMaxima.chunkExtensionBytes,
                ChunkExtensions.areValid(line.extracting(digits..<line.count))
            else { throw .malformed }
        }
        state = size == 0 ? .trailerLine : .data(remaining: size)
    }

    private mutating func receiveTrailer(_ line: Span<UInt8>) throws(Defect) {
        guard !line.isEmpty else {
            state = .end
            return
        }
        trailers += 1
        trailerBytes += line.count
        guard trailers <= trailersMax, trailerBytes <= HTTPMaxima.trailerBytes else { throw .trailersTooLarge }
        let entry: Fields.Entry
        do throws(FieldDefect) {
            entry = try Fields.entry(in: line, line: 0..<line.count)
        } catch {
            throw .malformed
        }
        guard !ForbiddenTrailers.contain(line.extracting(entry.name)) else { throw .malformed }
    }
}

/// What must not stand in a trailer (RFC 9110 §6.5.1): framing, routing and credentials. They would be dropped like any
/// other trailer here, but who sends them hopes for a reader in front or behind that takes them for fields of the head.
private enum ForbiddenTrailers {
    private static let names: [StaticString] = [
        "transfer-encoding", "content-length", "host", "connection", "trailer", "te", "upgrade", "expect",
        "content-encoding", "content-type", "authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key",
        "api-key",
    ]

    static func contain(_ name: Span<UInt8>) -> Bool {
        for forbidden in names where name.equalsIgnoringASCIICase(forbidden) { return true }
        return false
    }
}

/// `*( BWS ";" BWS chunk-ext-name [ BWS "=" BWS ( token / quoted-string ) ] )` (RFC 9112 §7.1.1). They are read
/// strictly, since readers that skip to the next line end in different ways are how requests are smuggled.
private enum ChunkExtensions {
    static func areValid(_ text: Span<UInt8>) -> Bool {
        var index = 0
        while index < text.count {
            skipWhitespace(text, &index)
            guard index < text.count, text[index] == Octet.semicolon else { return false }
            index += 1
            skipWhitespace(text, &index)
            guard skipToken(text, &index) else { return false }
            var equals = index
            skipWhitespace(text, &equals)
            guard equals < text.count, text[equals] == UInt8(ascii: "=") else { continue }
            index = equals + 1
            skipWhitespace(text, &index)
            let isQuoted = index < text.count && text[index] == UInt8(ascii: "\"")
            guard isQuoted ? skipQuoted(text, &index) : skipToken(text, &index) else { return false }
        }
        return true
    }

    private static func skipWhitespace(_ text: Span<UInt8>, _ index: inout Int) {
        while index < text.count, text[index] == Octet.space || text[index] == Octet.tab { index += 1 }
    }

    private static func skipToken(_ text: Span<UInt8>, _ index: inout Int) -> Bool {
        let start = index
        while index < text.count, CharacterSet128.token.contains(text[index]) { index += 1 }
        return index > start
    }

    /// `quoted-string` (RFC 9110 §5.6.4), `index` at its first quote.
    private static func skipQuoted(_ text: Span<UInt8>, _ index: inout Int) -> Bool {
        index += 1
        while index < text.count {
            let byte = text[index]
            guard byte.isFieldContent else { return false }
            index += 1
            if byte == UInt8(ascii: "\"") { return true }
            if byte == UInt8(ascii: "\\") {
                guard index < text.count, text[index].isFieldContent else { return false }
                index += 1
            }
        }
        return false
    }
}
