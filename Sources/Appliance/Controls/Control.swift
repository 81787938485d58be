// SPDX-License-Identifier: Apache-2.0

/// A promise of this server, with how it is proved.
struct Control: Sendable {
    /// What a promise is about, in the order in which people read it.
    enum Area: String, CaseIterable, Sendable {
        case data = "Data"
        case transport = "Transport and edges"
        case who = "Who gets in"
        case spending = "Spending and abuse"
        case code = "Code"
        case record = "The record"
        case house = "The house"
    }

    /// What stands behind a promise.
    enum Evidence: Sendable {
        /// A probe that tries the running server, and how often. A result counts as long as two of these.
        case live(every: Duration, Probe)
        /// Tests, by file and name, that a version passes before it is delivered: for what cannot be tried on a server
        /// that serves (a killed process, a full disk, thirty days).
        case tests([String])

        /// As it is called in lists.
        var name: String {
            switch self {
            case .live: "live"
            case .tests: "test"
            }
        }
    }

    /// Tries the running server. On the probes' own thread, where it may block.
    typealias Probe = @Sendable (ProbeWorld) -> ProbeResult

    /// A letter for the area and a number. It stays.
    let id: String
    let area: Area
    /// One sentence.
    let promise: String
    /// The section of the configuration without which there is nothing to promise; nil for what holds always.
    let section: String?
    let evidence: Evidence
    /// Tests of that part of a promise which its probe cannot try.
    private let rest: [String]

    init(
        _ id: String, _ area: Area, _ promise: String, in section: String? = nil, _ evidence: Evidence,
        rest: [String] = []
    ) {
        (self.id, self.area, self.promise) = (id, area, promise)
        (self.section, self.evidence, self.rest) = (section, evidence, rest)
    }

    /// Whether it is tried seldom, since that is some work.
    var isRare: Bool { if case .live(let interval, _) = evidence { interval > .seconds(3600) } else { false } }

    /// The tests that stand behind it, beside its probe if it has one.
    var tests: [String] { if case .tests(let tests) = evidence { tests + rest } else { rest } }
}

/// What came of a probe.
enum ProbeResult: Equatable, Sendable {
    /// The server did as promised.
    case held
    /// It did not; the reason is for the operator.
    case failed(String)
    /// It could not be tried; the reason is for the operator.
    case untried(String)
}
