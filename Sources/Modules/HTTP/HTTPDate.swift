// SPDX-License-Identifier: Apache-2.0

import Bytes
package import Platform

/// The Date field's form, `Sun, 06 Nov 1994 08:49:37 GMT` (IMF-fixdate, RFC 9110 §5.6.7).
package enum HTTPDate {
    private static let weekdays: [StaticString] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
    private static let months: [StaticString] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    /// 29 bytes for any time of the years 0 to 9999.
    package static func bytes(of time: WallTime) -> [UInt8] {
        let civil = time.civil
        var text: [UInt8] = []
        text.reserveCapacity(29)
        text.append(utf8: weekdays[civil.weekday])
        text.append(utf8: ", ")
        append(civil.day, digits: 2, to: &text)
        text.append(Octet.space)
        text.append(utf8: months[civil.month - 1])
        text.append(Octet.space)
        append(min(max(civil.year, 0), 9999), digits: 4, to: &text)
        for (number, separator) in [
            (civil.hour, Octet.space), (civil.minute, Octet.colon), (civil.second, Octet.colon),
        ] {
            text.append(separator)
            append(number, digits: 2, to: &text)
        }
        text.append(utf8: " GMT")
        return text
    }

    private static func append(_ number: Int, digits: Int, to text: inout [UInt8]) {
        var unit = digits == 4 ? 1000 : 10
        while unit > 0 {
            text.append(UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: number / unit % 10))
            unit /= 10
        }
    }
}

/// The date field of an answer, as the bytes of its head: in place, since each answer has one, and arrays would be counted.
struct DateLine: BitwiseCopyable {
    /// The status line of nearly all answers, and behind it, from `start` on, the line end before the field to its own.
    private(set) var behindOK: [54 of UInt8]

    /// Where the status line ends.
    static let start = 15

    init(_ time: WallTime) {
        let line =
            Array("HTTP/1.1 200 OK\r\ndate: ".utf8) + HTTPDate.bytes(of: time)
            + [Octet.carriageReturn, Octet.lineFeed]
        behindOK = .init { line[$0] }
    }
}

/// The date as it is now, looked up again behind a turn of the loop, and made again once a second. One for each loop.
struct DateCache {
    private var turn: Instant?
    private var second: Int64 = .min
    private var current = DateLine(WallTime.now())

    /// - Parameters:
    ///   - now: the loop's time, which stands still within a turn.
    ///   - clock: asked at the first call with another `now`.
    mutating func line(at now: Instant, clock: () -> WallTime = WallTime.nearlyNow) -> DateLine {
        if now != turn {
            turn = now
            let time = clock()
            if time.seconds != second {
                second = time.seconds
                current = DateLine(time)
            }
        }
        return current
    }
}
