// SPDX-License-Identifier: Apache-2.0

import Bytes
import Core
import Crypto
import Glibc
import Platform

/// The file `keyring.slots`: the master key, sealed once for each way to unlock it. Whoever has one of the secrets has the
/// master key, and nothing else in the data directory has it.
///
///     magic         8   "GHSLOTS1"
///     keyring      16   id, random
///     revision      4   counts the writings of this file; the keyring remembers the last
///     master        4   generation of the master key
///     pages         4   generation of the keyring's own page key
///     count         1   slots that follow, 1 to 16
///       number      4   never given twice in one keyring
///       kind        1   1 key, 2 passphrase, 3 recovery key
///       made at     6   milliseconds since 1970
///       name      1+n   for people
///       cost        1   scrypt: log2 N, 0 where there is none
///       block       1   scrypt: r
///       parallel    1   scrypt: p
///       salt       32   random
///       commitment 32   HKDF of the slot's secret, compared before the secret opens anything
///       sealed     61   the master key under the slot's key, a KeyWrap
///     code         32   HMAC of all of the above under a key of the master key
///
/// Numbers are big endian. Changing a slot writes this file again and nothing else.
struct UnlockSlots: Sendable {
    static let slotsMax = 16
    static let nameBytesMax = NameRule.bytesMax
    static let bytesMax = 8 + 16 + 12 + 1 + slotsMax * (4 + 1 + 6 + 1 + nameBytesMax + 3 + 32 + 32 + 61) + 32
    private static let magic = Array("GHSLOTS1".utf8)

    let keyring: [UInt8]
    var revision: Int
    var masterGeneration: Int
    var pageGeneration: Int
    var slots: [Slot]
    /// As read; computed anew at each writing.
    private var code: [UInt8] = []
    private var authenticated: [UInt8] = []

    struct Slot: Sendable {
        let number: Int
        let kind: UnlockSecret.Kind
        let madeAt: WallTime
        let name: String
        let scrypt: Scrypt?
        let salt: [UInt8]
        let commitment: [UInt8]
        let sealed: [UInt8]
    }

    /// No slot yet, for a new keyring.
    init(newKeyring keyring: [UInt8]) {
        self.keyring = keyring
        (revision, masterGeneration, pageGeneration, slots) = (0, 1, 1, [])
    }

    // MARK: Unlocking

    /// The master key, if this secret belongs to one of the slots.
    ///
    /// scrypt takes 0.4 s a slot of a passphrase, so their number bounds the time of a start.
    func unlock(_ secret: UnlockSecret) -> (master: MasterKey, slot: Int)? {
        for slot in slots {
            if let bytes = open(slot, with: secret) {
                return (MasterKey(bytes, generation: masterGeneration), slot.number)
            }
        }
        return nil
    }

    /// Whether a secret belongs to a slot.
    func unlocks(_ slot: Slot, with secret: UnlockSecret) -> Bool { open(slot, with: secret) != nil }

    private func open(_ slot: Slot, with secret: UnlockSecret) -> SecretBytes? {
        guard slot.kind == secret.kind, let key = try? secret.slotKey(scrypt: slot.scrypt, salt: slot.salt),
            // Before the key opens anything: GCM alone would let one sealed text open under two passphrases.
            KeyCommitment.isRight(slot.commitment, of: key, salt: slot.salt, label: "slot")
        else { return nil }
        return Self.wrap(key, slot.salt).unwrapKey(slot.sealed, as: data(slot.number, slot.kind))
    }

    /// Whether the table is the one that was written, every byte of it.
    func isAuthentic(_ master: MasterKey) -> Bool {
        guard let code = Digest(code.span) else { return false }
        return master.slots.isValid(code, of: authenticated.span)
    }

    // MARK: Changing

    /// The number of a new slot for this secret.
    mutating func add(_ secret: UnlockSecret, name: String, master: MasterKey, at now: WallTime) throws(CryptoError)
        -> Int
    {
        let number = (slots.map(\.number).max() ?? 0) + 1
        slots.append(try seal(secret, number: number, name: name, master: master, at: now))
        return number
    }

    /// Seals another master key in the slot of a secret, which stays as it is otherwise.
    mutating func replace(_ number: Int, with secret: UnlockSecret, master: MasterKey, at now: WallTime)
        throws(CryptoError)
    {
        guard let index = slots.firstIndex(where: { $0.number == number }) else { return }
        slots[index] = try seal(secret, number: number, name: slots[index].name, master: master, at: now)
    }

    private func seal(
        _ secret: UnlockSecret, number: Int, name: String, master: MasterKey, at now: WallTime
    ) throws(CryptoError) -> Slot {
        let scrypt = secret.kind == .passphrase ? Scrypt.passwords : nil
        let salt = Random.bytes(32)
        let key = try secret.slotKey(scrypt: scrypt, salt: salt)
        return Slot(
            number: number, kind: secret.kind, madeAt: now, name: name,
            scrypt: scrypt, salt: salt,
            commitment: KeyCommitment.make(of: key, salt: salt, label: "slot"),
            sealed: Self.wrap(key, salt).wrap(master.bytes, as: data(number, secret.kind, master.generation)))
    }

    /// The key that seals is not the one the commitment is of: each is derived with its own label.
    private static func wrap(_ key: SecretBytes, _ salt: [UInt8]) -> KeyWrap {
        let info = Array("gatehouse/v1/slot".utf8)
        do {
            return KeyWrap(
                try key.withBytes { key throws(CryptoError) in
                    try HKDFSHA256.derive(key: key, salt: salt.span, info: info.span, count: 32)
                })
        } catch {
            fatalError("a key cannot be derived: \(error)")
        }
    }

    private func data(_ number: Int, _ kind: UnlockSecret.Kind, _ generation: Int? = nil) -> AssociatedData {
        AssociatedData(
            label: "slot", row: Hex.encode(keyring) + "/\(number)/\(kind.rawValue)",
            keyID: generation ?? masterGeneration)
    }

    // MARK: The file

    /// The bytes of the file, authenticated under the master key.
    func serialized(_ master: MasterKey) -> [UInt8] {
        var bytes = Self.magic + keyring
        bytes.append(number: revision, bytes: 4)
        bytes.append(number: masterGeneration, bytes: 4)
        bytes.append(number: pageGeneration, bytes: 4)
        bytes.append(number: slots.count, bytes: 1)
        for slot in slots {
            bytes.append(number: slot.number, bytes: 4)
            bytes.append(UInt8(slot.kind.rawValue))
            bytes.append(number: Int(clamping: slot.madeAt.milliseconds), bytes: 6)
            bytes.append(counted: slot.name)
            bytes.append(UInt8(slot.scrypt.map { $0.cost.trailingZeroBitCount } ?? 0))
            bytes.append(UInt8(slot.scrypt?.blockSize ?? 0))
            bytes.append(UInt8(slot.scrypt?.parallelism ?? 0))
            bytes += slot.salt + slot.commitment + slot.sealed
        }
        return bytes + master.slots.code(of: bytes).bytes
    }

    /// Reads a file; `nil` for what is none. Nothing in it is to be believed before ``isAuthentic(_:)``, except that the
    /// parameters of scrypt are within bounds.
    init?(parsing bytes: [UInt8]) {
        var reader = ByteReader(bytes)
        guard reader.take(8) == Self.magic, let keyring = reader.take(16), let revision = reader.number(4),
            let master = reader.number(4), let pages = reader.number(4), let count = reader.number(1),
            (1...Self.slotsMax).contains(count)
        else { return nil }
        self.keyring = keyring
        (self.revision, masterGeneration, pageGeneration) = (revision, master, pages)
        slots = []
        for _ in 0..<count {
            guard let slot = Slot(&reader) else { return nil }
            slots.append(slot)
        }
        authenticated = Array(bytes[..<reader.offset])
        guard let code = reader.take(32), reader.isAtEnd else { return nil }
        self.code = code
    }
}

extension UnlockSlots.Slot {
    /// What a file may ask of scrypt: 1 GiB at N = 2^20, r = 8.
    private static let costBitsMax = 20

    fileprivate init?(_ reader: inout ByteReader) {
        guard let number = reader.number(4), let kind = reader.number(1).flatMap(UnlockSecret.Kind.init(rawValue:)),
            let time = reader.number(6), let name = reader.text(), let cost = reader.number(1),
            let block = reader.number(1), let parallel = reader.number(1), cost <= Self.costBitsMax,
            let salt = reader.take(32), let commitment = reader.take(KeyCommitment.byteCount),
            let sealed = reader.take(61)
        else { return nil }
        self.number = number
        self.kind = kind
        madeAt = WallTime(milliseconds: Int64(time))
        self.name = name
        self.salt = salt
        self.commitment = commitment
        self.sealed = sealed
        guard kind == .passphrase else {
            scrypt = nil
            return
        }
        guard let parameters = try? Scrypt(cost: 1 << cost, blockSize: block, parallelism: parallel) else { return nil }
        scrypt = parameters
    }
}
