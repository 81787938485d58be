// SPDX-License-Identifier: Apache-2.0

import Core
import Crypto
import Platform
import SQLite
import Synchronization

/// An unlock slot, as far as it is ever shown.
struct SlotEntry: Sendable, Equatable {
    let number: Int
    let kind: UnlockSecret.Kind
    let name: String
    let madeAt: WallTime

    init(_ slot: UnlockSlots.Slot) {
        (number, kind, name, madeAt) = (slot.number, slot.kind, slot.name, slot.madeAt)
    }
}

extension Keyring {
    /// The ways to unlock, in the order of their making.
    func slots() -> [SlotEntry] { material.withLock { $0.slots.slots.map(SlotEntry.init) } }

    /// Adds a way to unlock. Nothing else is sealed anew.
    func addSlot(_ secret: UnlockSecret, name: String) throws(KeyringFailure) -> SlotEntry {
        try changeSlots { slots, master throws(KeyringFailure) in
            guard slots.slots.count < UnlockSlots.slotsMax else {
                throw .refused("there are \(UnlockSlots.slotsMax) slots: remove one first")
            }
            try Self.check(name)
            return try Self.crypto { () throws(CryptoError) in
                try slots.add(secret, name: name, master: master, at: .now())
            }
        }
    }

    /// Puts another secret into a slot.
    func changeSlot(_ number: Int, to secret: UnlockSecret) throws(KeyringFailure) -> SlotEntry {
        try changeSlots { slots, master throws(KeyringFailure) in
            guard slots.slots.contains(where: { $0.number == number }) else { throw Self.noSlot(number) }
            try Self.crypto { () throws(CryptoError) in
                try slots.replace(number, with: secret, master: master, at: .now())
            }
            return number
        }
    }

    /// Takes a way to unlock away; the last one stays, since without any the data would be lost.
    ///
    /// Whoever has a copy of the old file and the slot's secret has the master key still: rotate that too where the secret
    /// is known to others.
    func removeSlot(_ number: Int) throws(KeyringFailure) {
        _ = try changeSlots { slots, _ throws(KeyringFailure) in
            guard let index = slots.slots.firstIndex(where: { $0.number == number }) else { throw Self.noSlot(number) }
            guard slots.slots.count > 1 else { throw .refused("this is the only slot: add another one first") }
            slots.slots.remove(at: index)
            return slots.slots[0].number
        }
    }

    /// Writes the table of slots with a change, and then the row that remembers its revision.
    private func changeSlots(
        _ change: (inout UnlockSlots, MasterKey) throws(KeyringFailure) -> Int
    ) throws(KeyringFailure) -> SlotEntry {
        try maintenance.withLock { _ throws(KeyringFailure) in
            var (slots, master) = material.withLock { ($0.slots, $0.master) }
            let number = try change(&slots, master)
            slots.revision += 1
            try write(slots, master)
            let revision = slots.revision
            material.withLock { [slots] in $0.slots = slots }
            try writer.run { connection throws(KeyringFailure) -> Void in
                try failing { () throws(SQLiteError) in
                    try connection.execute("UPDATE keyring_meta SET slots = ?", revision)
                }
            }
            guard let slot = slots.slots.first(where: { $0.number == number }) else { throw Self.noSlot(number) }
            return SlotEntry(slot)
        }
    }

    /// Puts a table of slots in the place of the one there is, which is overwritten: a slot that was taken away must not be
    /// found again in blocks that nobody uses.
    func write(_ slots: UnlockSlots, _ master: MasterKey) throws(KeyringFailure) {
        let path = "\(directory)/\(KeyringOpening.slotsName)"
        do throws(Errno) {
            try AtomicFile.replaceDestroying(path: path, bytes: slots.serialized(master), mode: 0o600)
        } catch {
            throw .file(path: path, error)
        }
        steps.reached("\(KeyringOpening.slotsName) is written")
    }

    private static func check(_ name: String) throws(KeyringFailure) {
        guard NameRule.allows(name) else {
            throw .refused("a slot's name has 1 to \(NameRule.bytesMax) bytes, and nothing invisible")
        }
    }

    static func noSlot(_ number: Int) -> KeyringFailure { .refused("there is no slot \(number)") }

    static func crypto<Result>(_ body: () throws(CryptoError) -> Result) throws(KeyringFailure) -> Result {
        do throws(CryptoError) {
            return try body()
        } catch {
            throw .refused("the slot cannot be sealed: \(error)")
        }
    }
}

extension AtomicFile {
    /// ``destroy(path:)`` for a file that may not be there.
    static func destroyIfThere(path: String) throws(KeyringFailure) {
        do throws(Errno) {
            try destroy(path: path)
        } catch .noSuchFile {
        } catch {
            throw .file(path: path, error)
        }
    }
}
