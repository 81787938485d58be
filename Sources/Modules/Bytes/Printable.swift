// SPDX-License-Identifier: Apache-2.0

extension Unicode.Scalar {
    /// False for what a terminal or an editor may obey instead of showing: controls, and invisible marks such as those
    /// that turn the direction of text. They are written as U+FFFD where text from outside is shown to people.
    package var isPrintable: Bool {
        switch properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .surrogate, .unassigned: false
        default: true
        }
    }
}

extension StringProtocol {
    /// The text on one line, safe to show on a terminal, cut to `max` scalars.
    package func printable(max: Int = 80) -> String {
        var text = String.UnicodeScalarView()
        for scalar in unicodeScalars.prefix(max) { text.append(scalar.isPrintable ? scalar : "\u{FFFD}") }
        return String(text) + (unicodeScalars.dropFirst(max).isEmpty ? "" : "…")
    }
}
