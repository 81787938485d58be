// SPDX-License-Identifier: Apache-2.0

import CSeccomp
import Glibc
import Platform

extension Box {
    func loadFilter() throws(BoxFailure) {
        try BoxStep.filter.take { unsafe cbox_load_filter(filter, UInt(filter.count)) }
    }

    private static func zeroTerminated(_ texts: [String]) -> [UInt8] {
        var bytes: [UInt8] = []
        for text in texts { bytes += Array(text.utf8) + [0] }
        return bytes + [0]
    }

    /// Becomes the program.
    func execute() throws(BoxFailure) {
        switch order.program {
        case .command(let path, let words, let settings):
            let text = Self.zeroTerminated(words)
            let environment = Self.zeroTerminated(settings)
            // SAFETY: zero-terminated strings, as many as said; the call returns only where it fails.
            _ = unsafe text.withUnsafeBytes { text in
                unsafe environment.withUnsafeBytes { environment in
                    unsafe cbox_exec(
                        path, text.baseAddress?.assumingMemoryBound(to: CChar.self), UInt(words.count),
                        environment.baseAddress?.assumingMemoryBound(to: CChar.self), UInt(settings.count))
                }
            }
            throw BoxFailure(.execution)
        case .probes:
            // There is no program to become, so nothing closes this.
            close(BoxDescriptors.trouble)
            Probes.run()
            _exit(0)
        }
    }
}
