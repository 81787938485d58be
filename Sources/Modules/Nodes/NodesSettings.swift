// SPDX-License-Identifier: Apache-2.0

import Configuration

/// The keys of `[nodes]`.
struct NodesSettings: Equatable {
    /// `file_bytes_max`: the largest file that can be uploaded.
    let fileBytesMax: Int
    /// `sweep_interval`: how often what has outlived its retention is looked for.
    let sweepInterval: Duration

    init(_ section: Section) throws(ConfigurationError) {
        fileBytesMax = try section.takeSize("file_bytes_max", in: 1...1 << 30, default: 31 << 20)
        sweepInterval = try section.takeDuration(
            "sweep_interval", in: .seconds(1)...(.seconds(86_400)), default: .seconds(60))
    }
}
