// SPDX-License-Identifier: Apache-2.0

/// Masks what comes in pieces, cut anywhere: a line is masked once it is whole. What comes of a text does not depend on
/// how it was cut.
struct MaskStream: Sendable {
    /// Of a longer line only the beginning is kept: a secret that the cut would divide lies behind what is shown.
    static let lineBytesMax = 64 << 10

    private var scrubber: SecretScrubber
    private var line: [UInt8] = []
    private var isInKey = false
    private var masks: @Sendable ([UInt8], inout Bool) -> [UInt8]

    /// - Parameter secrets: what this process holds.
    /// - Parameter masks: what is done to a line; a test may leave it out.
    init(_ secrets: SecretNeedles, masks: @escaping @Sendable ([UInt8], inout Bool) -> [UInt8] = MaskStream.mask) {
        scrubber = SecretScrubber(secrets)
        self.masks = masks
    }

    static let mask: @Sendable ([UInt8], inout Bool) -> [UInt8] = { Masker.shared.masked($0, isInKey: &$1) }

    /// The next piece; gives the lines that are whole, each with its end.
    mutating func feed(_ bytes: [UInt8]) -> [UInt8] {
        var output: [UInt8] = []
        take(scrubber.feed(bytes), &output)
        return output
    }

    /// The stream has ended, or nothing more is waited for; gives what was held.
    mutating func flush() -> [UInt8] {
        var output: [UInt8] = []
        take(scrubber.flush(), &output)
        pass(&output)
        return output
    }

    private mutating func take(_ bytes: [UInt8], _ output: inout [UInt8]) {
        var rest = bytes[...]
        while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
            append(rest[..<end])
            line.append(UInt8(ascii: "\n"))
            pass(&output)
            rest = rest[(end + 1)...]
        }
        append(rest)
    }

    private mutating func append(_ bytes: ArraySlice<UInt8>) {
        line += bytes.prefix(Self.lineBytesMax - min(line.count, Self.lineBytesMax))
    }

    private mutating func pass(_ output: inout [UInt8]) {
        guard !line.isEmpty else { return }
        let ends = line.last == UInt8(ascii: "\n")
        var masked = masks(line, &isInKey)
        if masked.count > LogLine.textBytesMax {
            masked.removeSubrange(LogLine.textBytesMax...)
            masked += Array("…".utf8)
            if ends { masked.append(UInt8(ascii: "\n")) }
        }
        output += masked
        line.removeAll(keepingCapacity: true)
    }
}
