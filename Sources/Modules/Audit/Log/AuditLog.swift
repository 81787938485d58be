// SPDX-License-Identifier: Apache-2.0

import Core
import Crypto
import EventLoop
import Log
import Platform

/// The log at work. What the exchanges of a loop have to say in a turn is written at its end with one call: by the loop where
/// that ends in the kernel's memory at once, or else by the thread `audit`, which does everything that takes longer.
///
///     loop   entry ─ desk ─ end of the turn ─┬─→ pen ─ one write(2)
///                                            └─→ mailbox ─→ audit   one write(2) ─→ answers to each loop
///                                                             │  every 100 ms fdatasync(2)
///                                                             └─ every 10 s checkpoint ─→ audit-files ─→ its places
final class AuditLog: Sendable {
    private let mail: AuditMail
    private let desks: AuditDesks
    private let thread: NamedThread
    private let keeper: CheckpointKeeper

    /// Takes over an opened log and starts its thread.
    init(
        _ opened: LogOpening.Opened, _ settings: AuditOffice.Settings, projections: [any AuditProjection],
        generation: Int, mail: AuditMail, keeper: CheckpointKeeper, log: Logger,
        floods: @escaping AuditOffice.TakeFloods
    ) throws(Errno) {
        let pen = LogPen(opened.writer, generation: generation) { try? mail.order { $0.expectFlush() } }
        let office = AuditOffice(
            settings, pen: pen, mail: mail, intents: opened.intents, projections: projections, keeper: keeper, log: log,
            floods: floods)
        (self.mail, self.keeper) = (mail, keeper)
        desks = AuditDesks(pen, mail)
        let (tornBytes, earlier) = (opened.tornBytes, opened.earlier)
        thread = try NamedThread.start(name: "audit") {
            // Before anything is taken out of the mailbox: what is open now is what a crash has left.
            if let earlier { office.note(.followed(earlier)) }
            if tornBytes > 0 { office.note(.house("torn_end", bytes: tornBytes)) }
            office.closeOpenIntents()
            office.note(.house("start"))
            office.checkpoint()
            office.work()
        }
    }

    /// Where the entries of a loop are written.
    func desk(of loop: EventLoop) -> AuditDesk { desks.desk(of: loop) }

    /// Says something of the house itself. Any thread.
    func note(_ entry: AuditEntry) {
        try? mail.order { $0.note(entry) }
    }

    /// Leaves an entry that nobody waits for. Any thread. Where the mailbox is full it is dropped.
    func leave(_ entry: AuditEntry, _ claim: LogWriter.Claim) {
        try? mail.post([AuditMail.Entry(item: (entry, claim), answer: nil)])
    }

    /// Waits until everything that was written before is on the disk, or cannot be brought there now, and until what is made
    /// of it knows so.
    func sync() async {
        await EventLoop.suspend { (caller: WaitingTask<Void>) in
            do throws(AuditRefusal) {
                try mail.order { office in
                    office.sync()
                    caller.resume()
                }
            } catch {
                caller.resume()
            }
        }
    }

    /// Signs what there is now, in all its places when this returns. Not on a loop.
    func checkpoint() {
        let isDone = Monitor(false)
        do throws(AuditRefusal) {
            try mail.order { office in
                office.checkpoint {
                    isDone.withLock { $0 = true }
                    isDone.signal()
                }
            }
        } catch {
            return
        }
        isDone.wait(until: .now() + .seconds(30)) { $0 ? true : nil }
    }

    /// Writes what waits, says that it stops, signs, and ends the threads.
    func stop() {
        mail.stop()
        thread.join()
        keeper.stop()
    }
}
