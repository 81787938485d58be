// SPDX-License-Identifier: Apache-2.0

import Bytes
import Configuration
import Core
import Crypto
import EventLoop
import HTTP
import Log
import Platform
import Synchronization
import TLS

/// Whether a password stands in a list that attackers have. The list in the binary is asked always; a service that knows
/// hundreds of millions of them is asked by k-anonymity where the configuration names one: it is told the first five
/// characters of a SHA-1 and answers with every digest that begins so, padded, so that neither it nor who counts bytes on the
/// way learns which was meant. The whole list may also lie in a file here, made of its ranges; then nobody is asked. When
/// neither can be, the list in the binary has to do.
final class LeakedPasswords: Sendable {
    /// Where the ranges are.
    struct Service: Sendable {
        let base: BaseURL
        let tls: TLSClientContext?
        let resolver: Resolver
    }

    private let service: Service?
    private let ranges: LeakedRanges?
    private let log: Logger
    private let makeCommon: @Sendable () -> CommonPasswords
    // Made once it is needed. Guards the reference.
    private let common = Mutex<CommonPasswords?>(nil)

    /// - Parameter common: makes the list in the binary.
    init(
        common: @escaping @Sendable () -> CommonPasswords = { CommonPasswords() }, service: Service?,
        ranges: LeakedRanges?, log: Logger
    ) {
        (makeCommon, self.service, self.ranges, self.log) = (common, service, ranges, log)
    }

    /// - Throws: `leaked_password`.
    func check(_ password: String, on loop: EventLoop) async throws(Failure) {
        guard !words.contains(password) else { throw Self.leaked }
        guard service != nil || ranges != nil, let digest = try? SHA1.digest(password.utf8.span) else { return }
        if let ranges {
            do {
                if try await ranges.contains(digest) { throw Self.leaked }
                return
            } catch let failure as Failure {
                throw failure
            } catch {
                log.warning("leaked passwords: their file cannot be read", ["cause": .string("\(error)")])
            }
        }
        guard let service else { return }
        let hex = Array(Hex.encode(digest).utf8.map(\.asciiUppercased))
        do {
            let lines = try await Self.range(hex[..<Self.prefixCount], service, on: loop)
            if Self.contains(hex[Self.prefixCount...], in: lines) { throw Self.leaked }
        } catch let failure as Failure {
            throw failure
        } catch {
            log.warning(
                "leaked passwords: the service cannot be asked; the list in the binary was",
                ["cause": .string("\(error)")])
        }
    }

    func stop() {
        service?.resolver.stop()
        ranges?.stop()
    }

    private var words: CommonPasswords {
        common.withLock { common in
            let words = common ?? makeCommon()
            common = words
            return words
        }
    }

    private static let prefixCount = 5
    /// A range has some 800 to 1,000 lines of 40 bytes.
    private static let answerBytesMax = 1 << 18

    private static func range(
        _ prefix: ArraySlice<UInt8>, _ service: Service, on loop: EventLoop
    ) async throws -> [UInt8] {
        guard let origin = Origin(service.base.origin) else { throw ServiceFailure.address }
        let request = ClientRequest(
            method: .get, origin: origin, target: "\(service.base.path)/\(String(decoding: prefix, as: UTF8.self))",
            fields: ["add-padding": "true", "accept": "text/plain", "user-agent": "gatehouse"],
            limits: ClientLimits(
                connect: .seconds(2), firstByte: .seconds(2), idle: .seconds(2), total: .seconds(4),
                bodyBytesMax: answerBytesMax),
            addresses: .configured, tls: service.tls)
        let client = HTTPClient(on: loop, resolver: service.resolver)
        defer { client.close() }
        let response = try await client.send(request, cancellation: nil)
        guard response.status.code == 200 else { throw ServiceFailure.status(response.status.code) }
        return try await response.collect(max: answerBytesMax)
    }

    private enum ServiceFailure: Error {
        case status(Int)
        case address
    }

    /// Whether a line of `SUFFIX:COUNT` has this suffix; a count of 0 is padding.
    static func contains(_ suffix: ArraySlice<UInt8>, in lines: [UInt8]) -> Bool {
        for line in lines.split(whereSeparator: { $0 == 0x0A || $0 == 0x0D }) {
            guard line.count > suffix.count + 1, line[line.startIndex + suffix.count] == UInt8(ascii: ":"),
                line.prefix(suffix.count).elementsEqual(suffix, by: { $0.asciiUppercased == $1 })
            else { continue }
            return !line.dropFirst(suffix.count + 1).allSatisfy { $0 == UInt8(ascii: "0") }
        }
        return false
    }

    private static var leaked: Failure {
        Failure(
            .leakedPassword, "this password stands in lists of leaked passwords; choose another", param: "password")
    }
}
