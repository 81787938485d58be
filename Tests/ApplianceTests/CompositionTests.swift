// SPDX-License-Identifier: Apache-2.0

import Arguments
import Bytes
import Configuration
import Glibc
import Log
import Platform
import Support
import Testing

@testable import Appliance

@Suite struct CompositionTests {
    private func refusal(of text: String) -> String? {
        do {
            _ = try Composition(Configuration(text: text), log: .disabled)
            return nil
        } catch {
            return "\(error)"
        }
    }

    @Test func `the embedded configuration is right`() {
        #expect(refusal(of: developmentConfiguration) == nil)
    }

    /// The file in the package shows every key that the code takes, at its default: it is read by the code itself.
    @Test func `the example file is right, and shows every key`() throws {
        let bytes = try AtomicFile.read(path: ExampleFile.path, bytesMax: 1 << 20)
        let written = String(decoding: bytes, as: UTF8.self)
        _ = try Composition(Configuration(text: written, file: "etc/gatehouse.toml"), log: .disabled)
        let text = ExampleFile.whole(written)
        let configuration = try Configuration(text: text, file: "etc/gatehouse.toml")
        _ = try Composition(configuration, log: .disabled)
        #expect(configuration.keysTaken.contains { $0.section == "sandbox.language" })
        #expect(configuration.keysTaken.count > 30)
        #expect(ExampleFile.disagreements(text, configuration.keysTaken) == [])
    }

    @Test(arguments: [
        (0, "0B"), (1023, "1023B"), (1024, "1KiB"), (1536, "1.5KiB"), (20 << 30, "20GiB"), (103_000, "100KiB"),
        (Int.max, "8589934591GiB"),
    ])
    func `a size is written for people`(_ bytes: Int, _ text: String) {
        #expect(Quantity.rounded(bytes: bytes) == text)
    }

    @Test func `the table of commands has no mistake in it`() {
        #expect(commandTable.problems == [])
    }

    @Test(arguments: [
        ("mode = \"development\"\n[auth]\n", "[auth] needs [store]"),
        ("mode = \"development\"\n[store]\n[gateway]\n", "[gateway] needs [auth]"),
        ("mode = \"development\"\n[limiter]\n", "[limiter] needs [store]"),
        ("mode = \"development\"\n[playground]\n", "playground"),
        ("mode = \"development\"\n[http]\nlisten = [\"0.0.0.0:8443\"]\n", "loopback only"),
        ("mode = \"production\"\n[http]\nhosts = [\"a.example\"]\n", "certificate"),
        ("[http]\ntls = { certificate = \"/c\", key = \"/k\" }\n", "hosts"),
        ("mode = \"development\"\n[http]\ntrusted_proxies = [\"10.0.0.1/8\"]\n", "ranges"),
        ("mode = \"development\"\n[http]\nproxy_protocol = true\n", "nobody is named"),
        (
            "mode = \"development\"\ndata = \"./data\"\n[store]\nunlock = [\"file:./data/root.key\"]\n",
            "inside the data directory"
        ),
        (
            "mode = \"development\"\n[store]\n[auth]\n[gateway]\n[[gateway.provider]]\nname = \"a\"\nkind = \"openai\"\nkey = \"sk-secret-of-mine\"\n",
            "key"
        ),
        (
            "mode = \"development\"\n[store]\n[auth]\n[gateway]\n[[gateway.model]]\nname = \"m\"\nprovider = \"none\"\n",
            "no provider named"
        ),
    ])
    func `an impossible set is refused with its reason`(_ text: String, _ reason: String) throws {
        let failure = try #require(refusal(of: text))
        #expect(failure.contains(reason), "\(failure)")
        #expect(!failure.contains("sk-secret-of-mine"))
    }

    @Test func `making a composition touches nothing`() throws {
        let directory = try TemporaryDirectory()
        let text =
            "mode = \"development\"\ndata = \"\(directory("data"))\"\n" + House.configuration.replacingStore(directory)
        _ = try Composition(Configuration(text: text), log: .disabled)
        #expect(throws: Errno.noSuchFile) { try FileStatus(path: directory("data")) }
        #expect(throws: Errno.noSuchFile) { try FileStatus(path: directory("root.key")) }
    }
}

extension String {
    fileprivate func replacingStore(_ directory: TemporaryDirectory) -> String {
        "[store]\nunlock = [\"file:\(directory("root.key"))\"]\n" + self
    }
}
