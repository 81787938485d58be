// SPDX-License-Identifier: Apache-2.0

import EventLoop
import Glibc
import Log
import Platform

/// Interpreters that wait in finished boxes, so that a program need not wait for them. Each serves one run and is gone with it;
/// another takes its place when that run is over. On the sandbox's loop only.
final class WarmPool {
    /// How many of the modules have been imported, from the first: none, one, and so on to all of them. Whoever does not use
    /// one need not pay for it: what an interpreter has in memory it gives back at its end, which takes longer the more it is.
    typealias Kind = Int

    private final class Waiting {
        let kind: Kind
        let run: BoxRun
        var isReady = false

        init(_ kind: Kind, _ run: BoxRun) { (self.kind, self.run) = (kind, run) }
    }

    /// Whose programs these are, and what they may have.
    struct Terms {
        let python: Language
        let cpus: Int
        let standard: BoxLimits
        let most: BoxLimits
        let layers: BoxLayers
        /// How many of each kind wait.
        let count: Int
        let modules: [String]
    }

    private let terms: Terms
    private let loop: EventLoop
    private let log: Logger
    /// Makes a box; nil where there is no keeper now.
    private let make: (BoxOrder, @escaping (String) -> Void, @escaping () -> Void) -> BoxRun?
    private var boxes: [UInt64: Waiting] = [:]
    /// Whether the last module of a kind was found; nil until one of its boxes has said so. Where it was not, that kind is of
    /// no use.
    private var found: [Kind: Bool] = [:]
    private var failuresInARow: [Kind: Int] = [:]
    private var refills: Timer?

    /// Boxes that fail one after the other before it is given up for a while.
    private static let failuresMax = 4
    private static let pauseAfterFailures = Duration.seconds(60)
    /// A run's own work comes first; those that take longer than this are not waited for.
    private static let pauseAfterClaim = Duration.milliseconds(40)
    private static let pauseAfterRun = Duration.milliseconds(2)
    /// What is made of numpy, and so gains by it.
    private static let builtOnNumpy = ["pandas", "scipy", "seaborn", "sklearn"]
    /// How much of a program is looked at for the names of modules.
    private static let lookedAtBytes = 64 << 10

    init(
        _ terms: Terms, on loop: EventLoop, log: Logger,
        make: @escaping (BoxOrder, @escaping (String) -> Void, @escaping () -> Void) -> BoxRun?
    ) {
        (self.terms, self.loop, self.log, self.make) = (terms, loop, log, make)
    }

    /// Those that wait and are ready.
    var readyCount: Int { boxes.values.count { $0.isReady } }

    /// Takes a box for this order out of the pool; nil where none fits, or none is ready.
    func take(for order: BoxOrder) -> BoxRun? {
        guard WarmInterpreter.canRun(order, terms.python, cpus: terms.cpus, standard: terms.standard) else {
            return nil
        }
        let wanted = kind(for: order)
        // Better one with more than is needed than none, where anything is needed.
        let suited = wanted == 0 ? 0...0 : wanted...terms.modules.count
        let ready = boxes.filter { $0.value.isReady && suited.contains($0.value.kind) }
        guard let (number, waiting) = ready.min(by: { $0.value.kind < $1.value.kind }) else { return nil }
        boxes[number] = nil
        refill(after: Self.pauseAfterClaim)
        return waiting.run
    }

    /// A run in one of its boxes is over: there is time to make the next.
    func runEnded() { refill(after: Self.pauseAfterRun) }

    /// The smallest kind with every module that a program names, of those that were found.
    private func kind(for order: BoxOrder) -> Kind {
        guard let code = order.files.first?.content.prefix(Self.lookedAtBytes) else { return 0 }
        let named = terms.modules.indices.last { index in
            found[index + 1] == true
                && Self.words(for: terms.modules[index]).contains { Self.contains(Array($0.utf8), in: code) }
        }
        return named.map { $0 + 1 } ?? 0
    }

    /// What stands in a program that gains by a module.
    private static func words(for module: String) -> [String] {
        let first = String(module.prefix { $0 != "." })
        return first == "numpy" ? [first] + builtOnNumpy : [first]
    }

    private static func contains(_ word: [UInt8], in bytes: ArraySlice<UInt8>) -> Bool {
        guard let first = word.first else { return true }
        var place = bytes.startIndex
        while place + word.count <= bytes.endIndex {
            if bytes[place] == first, bytes[place..<place + word.count].elementsEqual(word) { return true }
            place += 1
        }
        return false
    }

    // MARK: Filling

    /// Fills up what is missing, after a while; asked again before that, the later word counts.
    func refill(after pause: Duration = .zero) {
        refills?.cancel()
        refills = loop.schedule(after: pause) { [weak self] in self?.fill() }
    }

    private func fill() {
        for kind in 0...terms.modules.count where failuresInARow[kind, default: 0] < Self.failuresMax {
            if found[kind] == false { continue }
            let missing = terms.count - boxes.values.count { $0.kind == kind }
            for _ in 0..<max(0, missing) where !add(kind) { break }
        }
    }

    private func add(_ kind: Kind) -> Bool {
        var limits = terms.standard
        limits.cpuMilliseconds = max(limits.cpuMilliseconds, terms.most.cpuMilliseconds)
        guard
            let order = WarmInterpreter.order(
                terms.python, cpus: terms.cpus, modules: Array(terms.modules.prefix(kind)), limits: limits,
                layers: terms.layers)
        else { return false }
        var number: UInt64?
        let run = make(
            order, { [weak self] words in if let number { self?.ready(number, words) } },
            { [weak self] in if let number { self?.lost(number) } })
        guard let run else { return false }
        number = run.number
        boxes[run.number] = Waiting(kind, run)
        return true
    }

    private func ready(_ number: UInt64, _ words: String) {
        guard let waiting = boxes[number] else { return }
        failuresInARow[waiting.kind] = 0
        waiting.isReady = true
        let kind = waiting.kind
        guard kind > 0, found[kind] == nil else { return }
        let isFound = words.split(separator: " ").dropFirst().contains { $0 == terms.modules[kind - 1] }
        found[kind] = isFound
        guard !isFound else { return }
        // It is not installed: these are no other than those with one module less.
        for (number, box) in boxes where box.kind == kind {
            boxes[number] = nil
            box.run.discard()
        }
    }

    /// A box ended before anybody had a use for it: the keeper did, its time did, or Python did not come so far.
    private func lost(_ number: UInt64) {
        guard let waiting = boxes.removeValue(forKey: number) else { return }
        guard !waiting.isReady else { return refill() }
        let kind = waiting.kind
        let failures = failuresInARow[kind, default: 0] + 1
        failuresInARow[kind] = failures
        guard failures == Self.failuresMax else { return refill(after: .milliseconds(100 * failures)) }
        log.warning(
            "no interpreter can be kept ready; programs wait for theirs",
            ["cause": .string("it ended while it started")])
        loop.schedule(after: Self.pauseAfterFailures) { [weak self] in
            self?.failuresInARow[kind] = 0
            self?.fill()
        }
    }
}
