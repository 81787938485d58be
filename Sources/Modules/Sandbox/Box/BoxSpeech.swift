// SPDX-License-Identifier: Apache-2.0

import CSeccomp
import Glibc

/// What the first process of a box says to the gateway, on a socket that blocks.
struct BoxSpeech {
    private let socket: CInt

    init(_ socket: CInt) { self.socket = socket }

    /// False where the gateway is gone.
    @discardableResult
    func say(_ bytes: [UInt8]) -> Bool {
        var place = 0
        while place < bytes.count {
            let sent = BoxStep.none.retrying {
                // SAFETY: `place` is within the array.
                unsafe bytes.withUnsafeBytes {
                    unsafe send(
                        socket, $0.baseAddress.map { unsafe $0 + place }, bytes.count - place, CBOX_NO_SIGNAL)
                }
            }
            guard sent > 0 else { return false }
            place += sent
        }
        return true
    }

    func say(file name: [UInt8], _ content: [UInt8]) -> Bool {
        var writer = WordWriter()
        writer.append(BoxFrame.file)
        writer.append(name)
        writer.append(content.count)
        return say(writer.bytes) && say(content)
    }

    func say(_ report: BoxReport) {
        var writer = WordWriter()
        writer.append(BoxFrame.report)
        say(writer.bytes + report.encoded)
    }
}
