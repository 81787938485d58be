// SPDX-License-Identifier: Apache-2.0

import Support
import Testing

@testable import HTTP

/// Valid and invalid messages with random bytes changed, inserted and removed: nothing may trap, and what is accepted
/// must be what it seems.
@Suite struct MutationTests {
    private static let rounds = 20_000

    private static func mutate(_ bytes: [UInt8], _ generator: inout SeededGenerator) -> [UInt8] {
        let interesting = Array("\r\n\t \0:;,%/.?#\"\\=-+0aF\u{7F}é".utf8)
        var bytes = bytes
        for _ in 0..<Int.random(in: 1...4, using: &generator) {
            let place = Int.random(in: 0...bytes.count, using: &generator)
            let byte = interesting.randomElement(using: &generator) ?? 0
            switch Int.random(in: 0..<4, using: &generator) {
            case 0: bytes.insert(byte, at: place)
            case 1 where place < bytes.count: bytes[place] = byte
            case 2 where place < bytes.count: bytes.remove(at: place)
            case 3 where place < bytes.count: bytes.insert(contentsOf: bytes[place...].prefix(8), at: place)
            default: bytes.append(.random(in: 0...255, using: &generator))
            }
        }
        return bytes
    }

    @Test func `request heads`() {
        var generator = SeededGenerator()
        var accepted = 0
        let seeds =
            MalformedRequest.table.map(\.bytes).filter { $0.count < 500 } + [
                Array("POST /v1/x%20y?a=b&c=%C3%A9 HTTP/1.1\r\nHost: a.b:80\r\nContent-Length: 3\r\nX: y\r\n\r\n".utf8),
                Array("GET http://a/b HTTP/1.0\r\nConnection: close\r\n\r\n".utf8),
            ]
        for _ in 0..<Self.rounds {
            let bytes = Self.mutate(seeds.randomElement(using: &generator) ?? [], &generator)
            guard let head = try? RequestHead(parsing: bytes) else { continue }
            accepted += 1
            #expect(head.path.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F }, "seed \(SeededGenerator.seed)")
            #expect(head.target.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }, "seed \(SeededGenerator.seed)")
            #expect(
                !head.path.split(separator: "/").contains { $0 == "." || $0 == ".." }, "seed \(SeededGenerator.seed)")
            #expect(head.fields.count(of: "host") <= 1, "seed \(SeededGenerator.seed)")
            for (name, value) in head.fields {
                var again = Fields()
                let isAdded = again.append(name, value)
                #expect(isAdded, "seed \(SeededGenerator.seed)")
            }
        }
        #expect(accepted > 50)
    }

    @Test func `response heads`() {
        var generator = SeededGenerator()
        let seed = Array("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\nX: y\r\n\r\n".utf8)
        for _ in 0..<Self.rounds {
            guard let head = try? ResponseHead(parsing: Self.mutate(seed, &generator), method: .get) else { continue }
            #expect((100...599).contains(head.status.code), "seed \(SeededGenerator.seed)")
        }
    }

    @Test func `chunks come out alike, however they are cut`() {
        var generator = SeededGenerator()
        let seed = Array("5;a=\"b\"\r\nhello\r\nA\r\n0123456789\r\n0\r\nT: u\r\n\r\n".utf8)
        for _ in 0..<Self.rounds {
            let bytes = Self.mutate(seed, &generator)
            let whole = decode(bytes, step: bytes.count)
            #expect(decode(bytes, step: 1) == whole, "seed \(SeededGenerator.seed)")
            #expect(decode(bytes, step: 3) == whole, "seed \(SeededGenerator.seed)")
        }
    }

    /// The data and the bytes used; nil for an error.
    private func decode(_ bytes: [UInt8], step: Int) -> [UInt8]? {
        var decoder = ChunkedDecoder(trailersMax: 3)
        var output: [UInt8] = []
        var index = 0
        while index < bytes.count, !decoder.isAtEnd {
            let end = min(index + max(1, step), bytes.count)
            do throws(ChunkedDecoder.Defect) {
                index += try decoder.decode(bytes.span.extracting(index..<end), into: &output, outputMax: .max)
            } catch {
                return nil
            }
        }
        return output + [UInt8(truncatingIfNeeded: index), decoder.isAtEnd ? 1 : 0]
    }

    @Test func `origins`() {
        var generator = SeededGenerator()
        let seed = Array("https://api.example.com:8443/".utf8)
        for _ in 0..<Self.rounds {
            let text = String(decoding: Self.mutate(seed, &generator), as: UTF8.self)
            guard let origin = Origin(text) else { continue }
            #expect(Origin(origin.description) == origin, "seed \(SeededGenerator.seed)")
        }
    }
}
