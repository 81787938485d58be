// SPDX-License-Identifier: Apache-2.0

/// What this binary is.
enum Version {
    /// Semantic version of the release.
    static let text = "0.1.0"

    /// For `gatehouse version`.
    static let description = "gatehouse \(text)"
}
