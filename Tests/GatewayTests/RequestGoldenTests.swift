// SPDX-License-Identifier: Apache-2.0

import Bytes
import Core
import JSON
import Testing

@testable import Gateway

/// `Vectors/gateway/requests`: a client's body, and what each kind of provider is sent for it.
struct RequestGoldenTests {
    static let files = Golden.all("requests")

    @Test func `there are golden requests`() {
        #expect(Self.files.count >= 12)
    }

    @Test(arguments: files, [ProviderKind.openai, .anthropic])
    func `a request becomes the provider's body`(_ golden: Golden, _ kind: ProviderKind) throws {
        let route = try #require(ModelRoute(rawValue: golden.settings["route"] ?? ""))
        let body = try document(try #require(golden["request"]))
        let actual = Self.upstream(route, body, kind, golden.settings)
        guard let expected = golden["\(kind.rawValue) json"] else {
            if Golden.isRecording { golden.record("\(kind.rawValue) json", actual) }
            Issue.record("no section for \(kind.rawValue) in \(golden.testDescription)")
            return
        }
        if expected.first == "{" {
            #expect(try json(Array(actual.utf8)) == json(Array(expected.utf8)), "\(actual)")
        } else {
            #expect(actual == expected.trimmed)
        }
    }

    private static func upstream(
        _ route: ModelRoute, _ body: JSONDocument, _ kind: ProviderKind, _ settings: [String: String]
    ) -> String {
        let model = UpstreamModel(
            name: "up-1", outputTokensMax: 4_096,
            reasoning: .init(rawValue: settings["reasoning"] ?? "") ?? .effort,
            schemas: .init(rawValue: settings["schemas"] ?? "") ?? .tool,
            dialect: .init(rawValue: settings["dialect"] ?? "") ?? .compatible)
        do throws(Fault) {
            let pass = Set((settings["pass"] ?? "").split(separator: " ").map(String.init))
            let extras = try route.table.check(body.root, for: kind, pass: pass)
            let request = try route.decode(body.root)
            switch kind {
            case .openai: return text(try OpenAIChatEncoder.encode(request, for: model, extras: extras).body)
            case .anthropic, .builtin:
                return text(try AnthropicEncoder.encode(request, for: model, extras: extras).body)
            }
        } catch {
            return "\(error.code.status) \(error.code.rawValue) \(error.param ?? "-"): \(error.message)"
        }
    }
}

extension String {
    var trimmed: String {
        var text = Substring(self)
        while text.last?.isWhitespace == true { text.removeLast() }
        return String(text)
    }
}
