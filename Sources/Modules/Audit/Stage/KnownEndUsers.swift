// SPDX-License-Identifier: Apache-2.0

import Bytes
import Core
import Synchronization

/// The digests of end users who were named lately: callers name the same ones again and again, and a digest takes two hashes.
///
/// Each stands under its tenant and its name, both whole, so that nobody is ever taken for somebody else; in one place out of a
/// fixed number, where the next one that falls on it takes its turn. What is known of a tenant goes with the tenant's salt.
final class KnownEndUsers: Sendable {
    /// Places, a power of two: with all that stands in them 120 KiB, from the first name on.
    static let placeCount = 1024
    /// Bytes of the longest id of a tenant and of the longest name that are kept; others are digested each time.
    static let tenantBytesMax = 32
    static let nameBytesMax = 64

    /// A tenant and a name.
    private struct Key: BitwiseCopyable {
        // The tenant in the first four and the name in the others; zeros behind each.
        var words: [12 of UInt64] = .init(repeating: 0)
        /// How long the two are: with that, equal words are equal texts. None has 0, since an id is not empty.
        var counts: UInt64 = 0

        init() {}

        init?(_ tenant: Span<UInt8>, _ name: Span<UInt8>) {
            guard !tenant.isEmpty, tenant.count <= tenantBytesMax, name.count <= nameBytesMax else { return nil }
            put(tenant, at: 0)
            put(name, at: 4)
            counts = UInt64(tenant.count) << 32 | UInt64(name.count)
        }

        @inline(__always)
        private mutating func put(_ text: Span<UInt8>, at first: Int) {
            var (index, start) = (first, 0)
            while start &+ 8 <= text.count {
                words[index] = text.word(at: start)
                (index, start) = (index &+ 1, start &+ 8)
            }
            var rest = UInt64(0)
            for place in start..<text.count { rest = rest << 8 | UInt64(text[place]) }
            if start < text.count { words[index] = rest }
        }

        var place: Int {
            var mixed = counts
            for index in 0..<words.count {
                mixed = (mixed ^ words[index]) &* 0x9E37_79B9_7F4A_7C15
                mixed ^= mixed >> 32
            }
            return Int(truncatingIfNeeded: mixed) & (placeCount - 1)
        }

        @inline(__always)
        func isSame(as other: Key) -> Bool {
            var difference = counts ^ other.counts
            for index in 0..<words.count { difference |= words[index] ^ other.words[index] }
            return difference == 0
        }

        func isOf(tenant other: Key) -> Bool {
            counts >> 32 == other.counts >> 32 && (0..<4).allSatisfy { words[$0] == other.words[$0] }
        }
    }

    private struct Known: BitwiseCopyable {
        var key = Key()
        var digest = EndUserDigest(high: 0, low: 0)
    }

    private struct State {
        /// None before the first name.
        var places: [Known] = []
        /// How often something was forgotten.
        var forgettings = 0
    }

    private let state = Mutex(State())

    /// A moment: what was begun before somebody was forgotten is not kept behind it.
    struct Moment: Equatable {
        fileprivate let forgettings: Int
    }

    var now: Moment { state.withLock { Moment(forgettings: $0.forgettings) } }

    /// `nil` for one who was not named lately.
    func digest(of name: String, _ tenant: TenantID) -> EndUserDigest? {
        guard let key = Key(tenant.text.utf8.span, name.utf8.span) else { return nil }
        let place = key.place
        return state.withLock { state in
            guard place < state.places.count else { return nil }
            let known = state.places[place]
            return known.key.isSame(as: key) ? known.digest : nil
        }
    }

    /// Keeps a digest that was made since a moment.
    func keep(_ digest: EndUserDigest, of name: String, _ tenant: TenantID, since moment: Moment) {
        guard let key = Key(tenant.text.utf8.span, name.utf8.span) else { return }
        state.withLock { state in
            // Its salt may have gone while the digest was made.
            guard state.forgettings == moment.forgettings else { return }
            if state.places.isEmpty { state.places = Array(repeating: Known(), count: Self.placeCount) }
            state.places[key.place] = Known(key: key, digest: digest)
        }
    }

    /// Forgets whoever is known of a tenant, names and all.
    func forget(_ tenant: TenantID) {
        let key = Key(tenant.text.utf8.span, "".utf8.span)
        state.withLock { state in
            state.forgettings += 1
            // A longer id than can be kept: nobody of it is.
            guard let key else { return }
            for place in state.places.indices where state.places[place].key.isOf(tenant: key) {
                state.places[place] = Known()
            }
        }
    }

    /// Forgets everybody.
    func forgetAll() {
        state.withLock { state in
            state.forgettings += 1
            state.places = []
        }
    }
}
