// SPDX-License-Identifier: Apache-2.0

import Bytes

/// Writes server-sent events (HTML standard §9.2.5).
package enum SSEWriter {
    /// Appends one event. Data with line ends becomes several `data` lines, so that it cannot end the event or begin
    /// another field.
    ///
    /// - Parameter name: the `event` field; left out if nil. Everything from its first line end on is dropped.
    package static func append(name: String? = nil, data: Span<UInt8>, to output: inout [UInt8]) {
        output.reserveCapacity(output.count + data.count + 32)
        if let name {
            output.append(utf8: "event: ")
            output.append(contentsOf: name.utf8.prefix { $0 != Octet.lineFeed && $0 != Octet.carriageReturn })
            output.append(Octet.lineFeed)
        }
        var start = 0
        while true {
            var end = start
            while end < data.count, data[end] != Octet.lineFeed, data[end] != Octet.carriageReturn { end += 1 }
            output.append(utf8: "data: ")
            output.append(data.extracting(start..<end))
            output.append(Octet.lineFeed)
            guard end < data.count else { break }
            let isPair =
                data[end] == Octet.carriageReturn && end + 1 < data.count && data[end + 1] == Octet.lineFeed
            start = end + (isPair ? 2 : 1)
        }
        output.append(Octet.lineFeed)
    }

    /// One event as bytes.
    package static func event(name: String? = nil, data: [UInt8]) -> [UInt8] {
        var output: [UInt8] = []
        append(name: name, data: data.span, to: &output)
        return output
    }

    /// A comment line, which keeps a stream alive that has nothing to say.
    package static let keepAlive: [UInt8] = Array(": keep-alive\n\n".utf8)
}
