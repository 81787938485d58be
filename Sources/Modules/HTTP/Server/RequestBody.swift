// SPDX-License-Identifier: Apache-2.0

import Bytes
import Platform

/// Takes the body of one request out of what came in, and knows when it is whole.
struct RequestBody {
    private enum State {
        case complete
        case length(remaining: Int)
        /// Beside the others: a connection at rest has room for a body, and hardly any comes in chunks.
        indirect case chunked(Chunks)
        case failed(RequestDefect)
    }

    private struct Chunks {
        var decoder: ChunkedDecoder
        /// Bytes of data that may still come.
        var bytesLeft: Int
    }

    private var state: State

    /// - Parameter framing: as the parser decided; a length is below `bodyBytesMax`.
    init(_ framing: BodyFraming, _ limits: HTTPServerLimits) {
        switch framing {
        case .length(let bytes): state = .length(remaining: bytes)
        case .chunked:
            state = .chunked(
                Chunks(decoder: ChunkedDecoder(trailersMax: limits.fieldsMax), bytesLeft: limits.bodyBytesMax))
        case .none, .untilClose: state = .complete
        }
    }

    /// True once the last byte has been taken.
    var isComplete: Bool {
        if case .complete = state { return true }
        return false
    }

    /// The bytes still to come, where the head told.
    private var bytesRemaining: Int? {
        switch state {
        case .complete: 0
        case .length(let remaining): remaining
        case .chunked, .failed: nil
        }
    }

    /// Moves data from `input` to `output`.
    ///
    /// - Returns: the number of bytes consumed: all, or those up to the end of the body.
    mutating func take(_ input: Span<UInt8>, into output: inout [UInt8]) throws(RequestDefect) -> Int {
        switch state {
        case .complete: return 0
        case .failed(let defect): throw defect
        case .length(let remaining):
            let taken = min(remaining, input.count)
            output.append(input.extracting(0..<taken))
            state = taken == remaining ? .complete : .length(remaining: remaining - taken)
            return taken
        case .chunked(let chunks): return try take(input, through: chunks, into: &output)
        }
    }

    /// Takes data of a body whose length is known, without a copy where nothing else stands in the input; nil for chunks.
    mutating func takeKnown(from input: inout InputBuffer) -> [UInt8]? {
        guard case .length(let remaining) = state else { return nil }
        let bytes = input.take(remaining)
        state = bytes.count == remaining ? .complete : .length(remaining: remaining - bytes.count)
        return bytes
    }

    /// Takes all that is left of a body whose length is known, where it is here; nil otherwise.
    mutating func takeWhole(from input: inout InputBuffer) -> [UInt8]? {
        guard case .length(let remaining) = state, remaining <= input.count else { return nil }
        state = .complete
        return input.take(remaining)
    }

    /// The bytes of the body that are still to come behind `input`; nil if that cannot be told.
    func bytesLeft(behind input: Span<UInt8>) -> Int? {
        var rest = self
        var dropped: [UInt8] = []
        do throws(RequestDefect) {
            let taken = try rest.take(input, into: &dropped)
            return taken <= input.count ? rest.bytesRemaining : nil
        } catch {
            return nil
        }
    }

    private mutating func take(
        _ input: Span<UInt8>, through chunks: consuming Chunks, into output: inout [UInt8]
    ) throws(RequestDefect) -> Int {
        let before = output.count
        let taken: Int
        do throws(ChunkedDecoder.Defect) {
            // One byte beyond the limit is enough to know.
            taken = try chunks.decoder.decode(input, into: &output, outputMax: chunks.bytesLeft + 1)
        } catch {
            throw fail(error == .malformed ? .malformedChunk : .trailersTooLarge)
        }
        chunks.bytesLeft -= output.count - before
        guard chunks.bytesLeft >= 0 else { throw fail(.bodyTooLarge) }
        state = chunks.decoder.isAtEnd ? .complete : .chunked(chunks)
        return taken
    }

    private mutating func fail(_ defect: RequestDefect) -> RequestDefect {
        state = .failed(defect)
        return defect
    }
}

/// How long the server waits for a body: some grace, and then as long as a least rate allows. Only the time in which it
/// waited counts, not the time in which a handler was busy with what had come.
struct BodyPace {
    private var received = 0
    private var waited = Duration.zero

    /// Until when to wait for the next byte.
    func deadline(from now: Instant, _ limits: HTTPServerLimits) -> Instant {
        now + (limits.bodyTimeout + .milliseconds(received * 1000 / max(1, limits.bodyBytesPerSecondMin)) - waited)
    }

    mutating func receive(_ bytes: Int, after wait: Duration) {
        received += bytes
        waited += wait
    }
}
