// SPDX-License-Identifier: Apache-2.0

// A sealed database: the files of SQLite (sqlite.org/fileformat2.html, walformat.html) with the content of each page
// encrypted and bound to its place. Format 1. Numbers are big-endian.
//
// Each page of 4096 bytes ends in 32 bytes that SQLite leaves alone (byte 20 of the database's header says 32):
//
//        0 ..< 4064   content: AES-256-GCM ciphertext; in page 1 of the database the first 100 bytes stay readable
//     4064 ..< 4068   generation of the key
//     4068 ..< 4080   nonce, random
//     4080 ..< 4096   tag
//
// The write-ahead log is SQLite's head of 32 bytes (bytes 16 ..< 24 are its salts, new each time the log begins anew),
// and frames of 24 + 4096 bytes:
//
//        0 ..<    4   number of the page
//        4 ..<    8   pages of the database after this commit; 0 where the transaction goes on
//        8 ..<   16   the salts again; 0 in a frame of a large transaction that is not committed yet
//       16 ..<   24   SQLite's checksum of header and plaintext, linear and not cryptographic: encrypted, behind the
//                     content in the same GCM stream
//       24 ..< 4120   the page, sealed as above, all of its content encrypted
//
// Associated data:
//
//        0 ..<   32   SHA-256 of "gatehouse page file 1", the file's id (16 bytes), its role (1), the tenant's id
//       32            1 in the database, 2 in its log
//       33            1, the format
//       34 ..<   36   0
//       36 ..<   40   generation of the key
//       40 ..<   44   number of the page
//       44 ..<   48   0; in a log bytes 4 ..< 8 of the frame
//     in a log also
//       48 ..<   56   bytes 8 ..< 16 of the frame
//       56 ..<   64   the log's salts
//       64 ..<   72   number of the frame, from 1
//     in page 1 of the database also its first 100 bytes
//
// So a page opens only where it was sealed: in that place of that file, in that life of the log. What this cannot see is
// an older version of a page or a whole file put back in its own place; for the log it can, but for a cut at its end.
//
// `-shm` holds page numbers only, and is SQLite's. Its first 48 bytes say how many frames the last commit had, so after
// a kill they tell a log whose end was torn from one whose end was damaged (`RecoveryMark`).

/// The numbers of the layout above.
enum PageFormat {
    static let pageBytes = 4096
    static let reservedBytes = 32
    static let contentBytes = pageBytes - reservedBytes
    /// Of page 1 in the database.
    static let readableBytes = 100

    static let generationOffset = contentBytes
    static let nonceOffset = contentBytes + 4
    static let tagOffset = contentBytes + 16

    static let logHeadBytes = 32
    static let saltsOffset = 16
    static let frameHeadBytes = 24
    static let checksumOffset = 16
    static let checksumBytes = 8
    static let frameBytes = frameHeadBytes + pageBytes

    static let associatedBytes = 48
    static let associatedBytesInLog = 72

    /// SQLite never uses the page in which its locks lie (byte 2^30 of the file).
    static let lockPage = UInt32((1 << 30) / pageBytes + 1)

    /// Where frame `number` (from 1) begins.
    static func offset(ofFrame number: Int) -> Int64 { Int64(logHeadBytes) + Int64(number - 1) * Int64(frameBytes) }

    /// Which part of which frame lies at `offset` of a log: the frame's number and the byte within it. `nil` for the head.
    static func frame(at offset: Int64) -> (number: Int, byte: Int)? {
        let rest = offset - Int64(logHeadBytes)
        guard rest >= 0 else { return nil }
        return (Int(rest / Int64(frameBytes)) + 1, Int(rest % Int64(frameBytes)))
    }
}
