// SPDX-License-Identifier: Apache-2.0

/// A command line that the table does not allow.
package struct UsageError: Error, Equatable, Sendable {
    /// What a program answers to its caller for one.
    package static let exitCode: Int32 = 2

    package let program: String
    /// One sentence without capital or full stop. It repeats words and names of options, but no option's value.
    package let message: String
    package let hint: String?
}

extension UsageError: CustomStringConvertible {
    /// As it is printed to standard error, without a line break at the end.
    package var description: String {
        "\(program): error: \(message)" + (hint.map { "\n\(program): hint: \($0)" } ?? "")
    }
}
