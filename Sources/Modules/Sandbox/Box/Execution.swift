// SPDX-License-Identifier: Apache-2.0

import CSeccomp
import Glibc
import Platform

extension Box {
    /// Loads the filter, and hands its listener to the first process of the box.
    func loadFilter(telling door: CInt) throws(BoxFailure) {
        let (told, untold) = (filter.told, filter.untold)
        // SAFETY: each array is as long as said.
        var listener = unsafe cbox_load_filter(told, UInt(told.count), 1)
        // Whoever is above has a listener already, or the kernel knows of none: then nobody is told.
        guard listener >= 0 else {
            try BoxStep.filter.take { unsafe cbox_load_filter(untold, UInt(untold.count), 0) }
            return
        }
        var word: UInt8 = 0
        let sent = unsafe cbox_send(door, &word, 1, &listener, 1)
        close(listener)
        // Without a listener every refused call would wait for ever.
        guard sent == 1 else { throw BoxFailure(.filter) }
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
            // As executing a program does. Otherwise its own files below /proc belong to nobody, and what the probes find there
            // to be refused would be so without any layer.
            _ = cbox_prctl(PR_SET_DUMPABLE, 1, 0)
            Probes.run()
            _exit(0)
        }
    }
}
