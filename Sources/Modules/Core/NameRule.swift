// SPDX-License-Identifier: Apache-2.0

/// What people may call a tenant, a plan, a key: one line of text.
package enum NameRule {
    package static let bytesMax = 200

    /// True for 1 to ``bytesMax`` bytes without control and format characters, and without a blank at either end: what a name
    /// shows is what it is.
    package static func allows(_ text: String) -> Bool {
        (1...bytesMax).contains(text.utf8.count) && text.unicodeScalars.first != " " && text.unicodeScalars.last != " "
            && text.unicodeScalars.allSatisfy { scalar in
                switch scalar.properties.generalCategory {
                case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .unassigned: false
                case .spaceSeparator: scalar == " "
                default: true
                }
            }
    }
}
