// SPDX-License-Identifier: Apache-2.0

import Support

/// The corpora of `Tests/Vectors/masking`: what must be masked, and what must not although it looks so.
struct MaskCorpus {
    /// One line of a file.
    struct Case: Sendable {
        let kind: String
        let text: String
        /// What is shown of `text`; the same for what looks like something and is not.
        let shown: String

        var isPositive: Bool { text != shown }
    }

    let cases: [Case]

    var positives: [Case] { cases.filter(\.isPositive) }
    var negatives: [Case] { cases.filter { !$0.isPositive } }

    /// Personal data.
    static func masking() throws -> MaskCorpus { try MaskCorpus("masking") }
    /// Secrets.
    static func redaction() throws -> MaskCorpus { try MaskCorpus("redaction") }

    private init(_ name: String) throws {
        let directory = #filePath.split(separator: "/").dropLast(2).joined(separator: "/")
        var cases: [Case] = []
        for half in ["positive", "negative"] {
            let lines = try TestFile.lines("/\(directory)/Vectors/masking/\(name)-\(half).tsv")
            for line in lines where !line.hasPrefix("#") {
                let fields = line.split(separator: "\t").map {
                    String($0).replacing("¦", with: "").replacing("␤", with: "\n")
                }
                cases.append(Case(kind: fields[0], text: fields[1], shown: fields.count > 2 ? fields[2] : fields[1]))
            }
        }
        self.cases = cases
    }

    /// What is wrong when `mask` is done to each text: how often something is shown that must not be, and how often
    /// something is masked that is nothing.
    func errors(_ mask: (String) -> String) -> (missed: [String], wronged: [String]) {
        var missed: [String] = []
        var wronged: [String] = []
        for line in cases {
            let shown = mask(line.text)
            guard shown != line.shown else { continue }
            let report = "\(line.kind): \(line.text) -> \(shown)"
            if line.isPositive { missed.append(report) } else { wronged.append(report) }
        }
        return (missed, wronged)
    }
}
