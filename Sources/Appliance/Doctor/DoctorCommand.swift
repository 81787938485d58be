// SPDX-License-Identifier: Apache-2.0

import Arguments
import Audit
import Configuration
import Core
import Glibc
import HTTP
import JSON
import Log
import Platform
import Sandbox
import TLS

/// `gatehouse doctor`: looks at the host, the house's files and the server that runs, changes nothing, and says what is not as
/// it should be.
struct DoctorCommand {
    private let invocation: Invocation

    /// Something should be mended, and nothing is broken.
    static let warningExitCode: CInt = 3
    /// A certificate that ends sooner than this is worth a word.
    static let certificateDaysMin = 21

    init(_ invocation: Invocation) { self.invocation = invocation }

    func run() throws(CommandFailure) {
        var findings: [Finding] = []
        do throws(ConfigurationError) {
            let composition = try Composition(try ConfigurationFile(orEmbedded: invocation).read(), log: .disabled)
            findings.append(Finding("file.configuration", "the configuration is right"))
            findings += examine(composition)
        } catch {
            // Without it nobody knows where the rest lies; the host can still be looked at.
            findings.append(
                Finding("file.configuration", .fault, error.description, mend: "gatehouse check, until it says nothing")
            )
            findings += HostFacts(dataDirectory: HouseSettings.standardDataDirectory).findings
        }
        try show(findings)
    }

    private func examine(_ composition: Composition) -> [Finding] {
        let settings = composition.settings
        let sections = Set(composition.modules.map(\.section))
        var host = HostFacts(dataDirectory: settings.dataDirectory)
        host.connectionsMax = settings.http.limits.connectionsMax
        host.wantsSandbox = sections.contains("sandbox")
        var findings = host.findings
        findings += FileFacts(dataDirectory: settings.dataDirectory, keyFiles: composition.keyFiles).findings
        findings.append(Self.certificate(settings.http.tls, now: .now()))
        findings += server()
        if sections.contains("audit") { findings.append(audit(settings.dataDirectory)) }
        if sections.contains("sandbox") { findings += sandbox() }
        return findings
    }

    static func certificate(_ settings: TLSSettings, now: WallTime) -> Finding {
        let mend = "renew it; the server takes it up within seconds of its replacement"
        if settings.isSelfSigned, unsafe access(settings.certificate, F_OK) != 0 {
            return Finding("tls.expiry", "the certificate is made at the first start")
        }
        do throws(StartFailure) {
            let expiry = try CertificateFiles.open(settings).expiry
            let days = Int(clamping: (expiry - now).components.seconds / 86_400)
            if expiry <= now {
                return Finding("tls.expiry", .fault, "the certificate ended at \(expiry.rfc3339)", mend: mend)
            }
            return days < certificateDaysMin && !settings.isSelfSigned
                ? Finding("tls.expiry", .warning, "the certificate ends in \(days) days", mend: mend)
                : Finding("tls.expiry", "the certificate is good for \(days) days")
        } catch {
            return Finding("tls.expiry", .fault, error.message, mend: error.hint)
        }
    }

    // MARK: What others look at

    private func server() -> [Finding] {
        do throws(CommandFailure) {
            let client = try OperatorClient(invocation)
            guard let status = try client.callIfRunning(.get, "/admin/v1/status") else { return ServerFacts().findings }
            // A route whose module is off is not there.
            func ask(_ path: String) -> JSONValue? { try? client.call(.get, path) }
            return ServerFacts(
                status: status, store: ask("/admin/v1/store/status"),
                slots: ask("/admin/v1/store/slots")?["data"]?.array, backups: ask("/admin/v1/backups"),
                keys: try? client.list("/admin/v1/keys"), providers: ask("/admin/v1/providers")?["data"]?.array
            ).findings
        } catch {
            return [Finding("server.running", .warning, error.message, mend: error.hint)]
        }
    }

    private func audit(_ dataDirectory: String) -> Finding {
        do throws(AuditInspection.Failure) {
            let report = try AuditInspection(dataDirectory: dataDirectory).verify(key: nil, against: []) { _, _ in }
            guard let first = report.damages.first else {
                return Finding(
                    "audit.chain", "\(report.records) records, as they were written; \(report.signed) of them signed")
            }
            return Finding(
                "audit.chain", .fault, "the audit log is not as it was written: \(first)",
                mend: "keep its files as they are, and see: gatehouse audit verify")
        } catch {
            // Before the first start there is no log.
            return Finding("audit.chain", .note, error.message, mend: error.hint)
        }
    }

    private func sandbox() -> [Finding] {
        do throws(CommandFailure) {
            let found = try SandboxCommands(invocation).inspection()
            guard found.troubles.isEmpty else {
                return found.troubles.map {
                    Finding("sandbox.isolation", .fault, $0, mend: "gatehouse sandbox check, as the service's user")
                }
            }
            let partial = found.enforcement.filter { $0.by == "partial" }.map(\.limit)
            let isolation = Finding(
                "sandbox.isolation", "\(found.held.count) ways out were tried, and none led anywhere")
            guard partial.isEmpty else {
                return [
                    isolation,
                    Finding(
                        "sandbox.limits", .warning,
                        "no control group bounds \(partial.joined(separator: ", ")) of a run, only the process's own limits do",
                        mend: "run the service with Delegate=cpu memory pids, as the package's unit does"),
                ]
            }
            return [isolation, Finding("sandbox.limits", "control groups bound memory, processes and processor time")]
        } catch {
            return [Finding("sandbox.isolation", .fault, error.message, mend: error.hint)]
        }
    }

    // MARK: Saying it

    private func show(_ findings: [Finding]) throws(CommandFailure) {
        let worst = findings.map(\.level).max() ?? .ok
        if invocation.has("json") {
            let json: JSONValue = [
                "object": "doctor", "worst": .string(worst.name), "findings": .array(findings.map(\.json)),
            ]
            Terminal.print(String(decoding: json.serialized(), as: UTF8.self))
        } else {
            Terminal.print(Self.text(findings))
        }
        switch worst {
        case .ok, .note: return
        case .warning: exit(Self.warningExitCode)
        case .fault: exit(1)
        }
    }

    /// The worst first, each with what to do.
    static func text(_ findings: [Finding], isColoured: Bool = Terminal.isColoured) -> String {
        let width = findings.map(\.code.count).max() ?? 0
        var lines: [String] = []
        for level in Finding.Level.allCases.reversed() {
            for finding in findings where finding.level == level {
                let code = finding.code + String(repeating: " ", count: width - finding.code.count)
                let word = isColoured ? Terminal.painted(level.name, Terminal.Colour(of: level.name)) : level.name
                let name = word + String(repeating: " ", count: 7 - level.name.count)
                lines.append("\(name)  \(code)  \(finding.reason)")
                if let mend = finding.mend { lines.append(String(repeating: " ", count: 11 + width) + "→ \(mend)") }
            }
        }
        return lines.joined(separator: "\n")
    }
}
