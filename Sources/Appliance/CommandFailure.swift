// SPDX-License-Identifier: Apache-2.0

import Configuration
import Glibc

/// Why a command did not do what it was asked, in the words it prints.
struct CommandFailure: Error, CustomStringConvertible {
    let message: String
    let hint: String?
    /// 1: refused or failed; 2: called wrongly.
    let exitCode: CInt
    /// Whether `message` says where it is about, and stands as it is.
    private let isPlaced: Bool

    init(_ message: String, hint: String? = nil, exitCode: CInt = 1) {
        self.message = message
        self.hint = hint
        self.exitCode = exitCode
        isPlaced = false
    }

    /// The same with a next step, where it has none.
    func hinting(_ hint: @autoclosure () -> String) -> CommandFailure {
        isPlaced || self.hint != nil ? self : CommandFailure(message, hint: hint(), exitCode: exitCode)
    }

    /// A mistake in the configuration file, with its place.
    init(_ error: ConfigurationError) {
        message = error.description
        hint = nil
        exitCode = 1
        isPlaced = true
    }

    var description: String {
        if isPlaced { return message }
        return "gatehouse: error: \(message)" + (hint.map { "\ngatehouse: hint: \($0)" } ?? "")
    }
}
