// SPDX-License-Identifier: Apache-2.0

import Platform
import SQLite
import Store
import Support
import Testing

/// The files of a database as a killed process left them, as bytes, so that a test can change some and look.
private struct Image {
    var main: [UInt8]
    var log: [UInt8]
    var memory: [UInt8]

    static let page = 4096
    static let frame = 4120

    init(_ path: String) throws {
        main = try AtomicFile.read(path: path, bytesMax: 64 << 20)
        log = try AtomicFile.read(path: "\(path)-wal", bytesMax: 64 << 20)
        memory = try AtomicFile.read(path: "\(path)-shm", bytesMax: 64 << 20)
    }

    func put(_ path: String) throws {
        try AtomicFile.write(path: path, bytes: main, mode: 0o600)
        try AtomicFile.write(path: "\(path)-wal", bytes: log, mode: 0o600)
        try AtomicFile.write(path: "\(path)-shm", bytes: memory, mode: 0o600)
    }

    var pages: Int { main.count / Image.page }
    var frames: Int { (log.count - 32) / Image.frame }

    mutating func swapPages(_ one: Int, _ other: Int) {
        swap(&main, (one - 1) * Image.page, (other - 1) * Image.page, Image.page)
    }
    mutating func swapFrames(_ one: Int, _ other: Int) {
        swap(&log, 32 + (one - 1) * Image.frame, 32 + (other - 1) * Image.frame, Image.frame)
    }

    private func swap(_ bytes: inout [UInt8], _ one: Int, _ other: Int, _ count: Int) {
        for offset in 0..<count { bytes.swapAt(one + offset, other + offset) }
    }
}

@Suite struct DamageTests {
    private let sealed: Sealed
    private let copy: String

    init() throws {
        sealed = try Sealed()
        copy = sealed.directory("copy.db")
    }

    /// A database with `rows` rows, its log with several transactions; `round` tells versions apart.
    private func fill(_ database: SQLiteConnection, round: Int = 1) throws {
        try database.run(script: "CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, a TEXT) STRICT")
        for id in 1...60 {
            try database.execute(
                "INSERT OR REPLACE INTO t VALUES (?, ?)", id, "\(round) " + String(repeating: "x", count: 900))
        }
        try database.checkpoint()
        for id in 1...8 {
            try database.execute(
                "UPDATE t SET a = ? WHERE id = ?", "\(round) new " + String(repeating: "y", count: 900), id * 7)
        }
    }

    /// What a scan says of `image`, and what SQLite makes of it: an error with a place, or nothing but what was written.
    private func look(_ image: Image, tenant: String = "ten_a") throws -> (
        scan: [PageDamage], error: SQLiteError?, rows: [String]
    ) {
        try image.put(copy)
        let scan = try PageScan(Sealed.file(copy, tenant: tenant)).damage
        do throws(SQLiteError) {
            let database = try Sealed.file(copy, tenant: tenant).connect()
            let rows = try database.query("SELECT a FROM t ORDER BY id") { row throws(SQLiteError) in try row.text(0) }
            return (scan, nil, rows)
        } catch {
            return (scan, error, [])
        }
    }

    private func expect(_ image: Image, _ rows: [String], damaged place: (page: Int?, frame: Int?), _ what: String)
        throws
    {
        let seen = try look(image)
        let hit = seen.scan.contains { damage in
            (place.page == nil || damage.page == UInt32(place.page ?? 0)) && damage.frame == place.frame
                && damage.file == (place.frame == nil ? copy : "\(copy)-wal")
        }
        #expect(hit, "\(what): \(seen.scan)")
        if let error = seen.error {
            #expect(error.damage != nil, "\(what): \(error)")
        } else {
            // A page that is newer in the log is not read from the database: nothing wrong was seen.
            #expect(seen.rows == rows, "\(what): wrong rows")
        }
        if place.frame != nil { #expect(seen.error?.damage?.frame != nil, "\(what): opened") }
    }

    @Test func `every flipped bit is found, and named by file and page`() throws {
        let database = try sealed.connect()
        try fill(database)
        let image = try Image(sealed.path)
        let rows = try look(image).rows
        #expect(rows.count == 60 && image.frames >= 8)
        var random = SeededGenerator()
        for _ in 0..<Repetition.rounds(400, full: 10_000) {
            var changed = image
            let bit = random.below((image.main.count + image.log.count) * 8)
            let what = "seed \(SeededGenerator.seed), bit \(bit)"
            if bit / 8 < image.main.count {
                changed.main[bit / 8] ^= 1 << (bit % 8)
                try expect(changed, rows, damaged: (bit / 8 / Image.page + 1, nil), what)
            } else {
                let byte = bit / 8 - image.main.count
                changed.log[byte] ^= 1 << (bit % 8)
                try expect(changed, rows, damaged: (nil, byte < 32 ? 0 : (byte - 32) / Image.frame + 1), what)
            }
        }
    }

    @Test func `every swap of two pages is found`() throws {
        let database = try sealed.connect()
        try fill(database)
        let image = try Image(sealed.path)
        let rows = try look(image).rows
        var random = SeededGenerator()
        for one in 1...image.pages {
            let others =
                Repetition.isFull
                ? Array(1...image.pages) : [random.below(image.pages) + 1, random.below(image.pages) + 1]
            for other in others where other != one {
                var changed = image
                changed.swapPages(one, other)
                try expect(changed, rows, damaged: (one, nil), "pages \(one) and \(other)")
            }
        }
    }

    @Test func `every swap of two frames is found, and a log that was cut`() throws {
        let database = try sealed.connect()
        try fill(database)
        let image = try Image(sealed.path)
        let rows = try look(image).rows
        for one in 1..<image.frames {
            for other in (one + 1)...image.frames {
                var changed = image
                changed.swapFrames(one, other)
                try expect(changed, rows, damaged: (nil, one), "frames \(one) and \(other)")
            }
            var cut = image
            cut.log.removeLast((image.frames - one) * Image.frame)
            try expect(cut, rows, damaged: (nil, one + 1), "cut after frame \(one)")
        }
    }

    @Test func `an older frame, or an older log, does not pass for the new one`() throws {
        let database = try sealed.connect()
        try fill(database)
        let old = try Image(sealed.path)
        try fill(database, round: 2)
        let new = try Image(sealed.path)
        let rows = try look(new).rows
        for frame in 1...min(old.frames, new.frames) {
            var changed = new
            let place = 32 + (frame - 1) * Image.frame
            changed.log.replaceSubrange(place..<(place + Image.frame), with: old.log[place..<(place + Image.frame)])
            try expect(changed, rows, damaged: (nil, frame), "frame \(frame) of the log before")
            // With the new salts in its header, as somebody who knows the format would.
            changed.log.replaceSubrange((place + 8)..<(place + 16), with: new.log[16..<24])
            try expect(changed, rows, damaged: (nil, frame), "frame \(frame) of the log before, salts corrected")
        }
    }

    @Test func `files do not pass for one another, whole or in parts`() throws {
        let database = try sealed.connect()
        try fill(database)
        let image = try Image(sealed.path)
        let other = try Sealed(tenant: "ten_b")
        let foreign = try other.connect()
        try fill(foreign)
        let stranger = try Image(other.path)
        let seen = try look(stranger)
        #expect(seen.scan.contains { $0.page == 1 } && seen.error?.damage?.page != nil)
        let rows = try look(image).rows
        for page in 1...image.pages {
            var changed = image
            let place = (page - 1) * Image.page
            changed.main.replaceSubrange(
                place..<(place + Image.page), with: stranger.main[place..<(place + Image.page)])
            try expect(changed, rows, damaged: (page, nil), "page \(page) of another tenant")
        }
        var changed = image
        changed.log = stranger.log
        let log = try look(changed)
        #expect(log.scan.contains { $0.frame == 1 } && log.error?.damage?.frame == 1)
    }

    /// The control: a server without seals takes what it is given.
    @Test func `plain SQLite sees nothing of it`() throws {
        let plain = try SQLiteConnection(path: sealed.directory("plain.db"), options: Sealed.options())
        try fill(plain)
        try plain.checkpoint()
        var bytes = try AtomicFile.read(path: sealed.directory("plain.db"), bytesMax: 64 << 20)
        let place = bytes.count - 2000
        bytes[place] = bytes[place] == 0x78 ? 0x7A : 0x78
        try AtomicFile.write(path: copy, bytes: bytes, mode: 0o600)
        let changed = try SQLiteConnection(path: copy)
        #expect(try changed.text("PRAGMA integrity_check") == "ok")
        #expect(try changed.count("SELECT count(*) FROM t") == 60)
    }
}
