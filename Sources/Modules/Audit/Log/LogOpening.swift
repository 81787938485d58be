// SPDX-License-Identifier: Apache-2.0

import Core
import Crypto
import Log
import Platform

/// Opens a log for writing: reads its tail, compares it with what was last signed, and finds what a crash has left open.
struct LogOpening {
    let parts: LogWriter.Parts
    let state: AuditState
    let key: NoteKey
    /// The key of a segment that is there; nil where it was destroyed.
    let readKey: (Int) throws(AuditFailure) -> SecretBytes?

    /// What came of it.
    struct Opened {
        let writer: LogWriter
        let intents: OpenIntents
        /// Bytes at the end that were no record: of a write that a power cut tore.
        let tornBytes: Int
        /// ``Checkpoint/oldest``
        let oldest: Int
        /// What the log before this one had signed, where this one was begun instead of it and has not said so yet.
        let earlier: Checkpoint?
    }

    /// - Parameter projections: given every record from the first that one of them has not seen.
    func open(_ projections: [any AuditProjection]) throws(StartFailure) -> Opened {
        let directory = LogDirectory(path: parts.directory)
        let signed = try lastSigned(directory)
        let intents = OpenIntents(from: state.replayFrom)
        let first = projections.reduce(state.replayFrom) { min($0, $1.next) }
        let reader = LogReader(directory: directory, key: readKey)
        var tail: LogReader.Tail
        var generation = 0
        do throws(LogReader.Failure) {
            tail = try reader.replay(from: first, checking: signed) { record in
                generation = max(generation, record.place.generation)
                let sequence = record.place.sequence
                if sequence >= state.replayFrom { intents.apply(record) }
                for projection in projections where sequence >= projection.next { projection.apply(record) }
            }
        } catch {
            throw StartFailure(
                "the audit log cannot be continued: \(error.description)", hint: "gatehouse audit fsck says where")
        }
        // A record has the number of checkpoints that control.db knew of when its server started: no later one knows of fewer.
        guard generation <= state.generation else {
            throw StartFailure(
                "control.db is older than the audit log: it knows of \(state.generation) checkpoints, and the log of \(generation)",
                hint: "was an older copy of control.db put back? see gatehouse audit begin-anew --help")
        }
        for checkpoint in signed where checkpoint.size > tail.edge.size {
            throw StartFailure(
                "the audit log was cut or put back: \(checkpoint.size) records were signed, and there are \(tail.edge.size)",
                hint: "put back what is missing, or see gatehouse audit verify --help")
        }
        let oldest = signed.map(\.oldest).max() ?? 0
        if let first = try firstKept(directory), first > oldest {
            throw StartFailure(
                "the audit log was cut at its beginning: record \(oldest) should be there, and the first is \(first)",
                hint: "put back what is missing, or see gatehouse audit verify --help")
        }
        let end = LogWriter.End(edge: tail.edge, outcomesOwed: intents.count)
        try removeUnbegun(directory)
        try flush(tail.lastNumber)
        let isNew = tail.edge.size == 0
        tail.edge = LogEdge()
        return Opened(
            writer: LogWriter(parts, end: end, lastNumber: tail.lastNumber, isTorn: tail.tornBytes > 0),
            intents: intents,
            tornBytes: tail.tornBytes, oldest: oldest,
            earlier: isNew ? Checkpoint(note: state.earlier, signedBy: key) : nil)
    }

    /// A kill between the making of a segment and its first byte has left a file of zeros where the next one is to be.
    private func removeUnbegun(_ directory: LogDirectory) throws(StartFailure) {
        do throws(LogDirectory.Damage) {
            guard let number = try directory.unbegunNumber() else { return }
            parts.disk.remove("\(parts.directory)/\(SegmentHeader.name(number: number))")
        } catch {
            throw StartFailure("the audit log cannot be continued: \(error.description)")
        }
    }

    /// Brings the last segment to the disk: the process that wrote it may have been killed before it did, and what is made of
    /// its records is kept.
    private func flush(_ number: Int) throws(StartFailure) {
        guard number > 0 else { return }
        let name = SegmentHeader.name(number: number)
        do throws(Errno) {
            try parts.disk.flush("\(parts.directory)/\(name)")
        } catch {
            throw StartFailure("the audit log's last segment \(name) cannot be brought to the disk: \(error)")
        }
    }

    /// The first record of the oldest segment; nil where there is none.
    private func firstKept(_ directory: LogDirectory) throws(StartFailure) -> Int? {
        do throws(LogDirectory.Damage) {
            guard let number = try directory.segmentNumbers().first else { return nil }
            return try directory.header(number).firstSequence
        } catch {
            throw StartFailure("the audit log cannot be continued: \(error.description)")
        }
    }

    /// What the log's own key has vouched for: beside the segments, and in control.db.
    private func lastSigned(_ directory: LogDirectory) throws(StartFailure) -> [Checkpoint] {
        var notes: [String] = []
        do throws(LogDirectory.Damage) {
            if let note = try directory.checkpoint() { notes.append(note) }
        } catch {
            throw StartFailure("the audit log cannot be continued: \(error.description)")
        }
        if !state.note.isEmpty { notes.append(state.note) }
        return try notes.map { note throws(StartFailure) in
            guard let checkpoint = Checkpoint(note: note, signedBy: key) else {
                throw StartFailure(
                    "the audit log's last checkpoint is not signed by its own key",
                    hint: "was audit/checkpoint replaced, or the keyring?")
            }
            return checkpoint
        }
    }
}

extension LogReader.Failure: CustomStringConvertible {
    var description: String {
        switch self {
        case .damaged(let damage): damage.description
        case .keys(let failure): failure.description
        }
    }
}
