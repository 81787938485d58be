// SPDX-License-Identifier: Apache-2.0

import CLinux
import Core
import Glibc
import Platform

/// The process in `/metrics`, under the names that Prometheus' own libraries use
/// (prometheus.io/docs/instrumenting/writing_clientlibs/#process-metrics).
struct ProcessMetrics: Sendable {
    private let started = WallTime.now()

    func write(to text: inout MetricsText) {
        text.family("gatehouse_build_info", .gauge, "Which version this is.")
        text.sample("gatehouse_build_info", [("version", Version.text)], 1)
        text.family("process_start_time_seconds", .gauge, "When the process began to serve, in seconds since 1970.")
        text.sample("process_start_time_seconds", [], Int(started.seconds))
        var usage = rusage()
        // SAFETY: the structure lives through the call (getrusage(2)).
        if unsafe getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage) == 0 {
            let microseconds =
                (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1_000_000 + Int(usage.ru_utime.tv_usec)
                + Int(usage.ru_stime.tv_usec)
            let rest = String(1_000_000 + microseconds % 1_000_000).dropFirst()
            text.family("process_cpu_seconds_total", .counter, "Processor time, user and system.")
            text.sample("process_cpu_seconds_total", [], decimal: "\(microseconds / 1_000_000).\(rest)")
        }
        if let pages = Self.residentPages {
            text.family("process_resident_memory_bytes", .gauge, "Memory that is in RAM.")
            text.sample("process_resident_memory_bytes", [], pages * Int(sysconf(Int32(_SC_PAGESIZE))))
        }
        var limit = rlimit()
        // SAFETY: as above (getrlimit(2)).
        if unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 {
            text.family("process_max_fds", .gauge, "Descriptors that may be open at once.")
            text.sample("process_max_fds", [], Int(clamping: limit.rlim_cur))
        }
    }

    /// The second figure of /proc/self/statm (proc(5)): a file of the kernel's memory, which is read without waiting for a
    /// disk.
    private static var residentPages: Int? {
        guard let bytes = try? AtomicFile.read(path: "/proc/self/statm", bytesMax: 4096) else { return nil }
        let words = String(decoding: bytes, as: UTF8.self).split(separator: " ")
        return words.count > 1 ? Int(words[1]) : nil
    }
}
