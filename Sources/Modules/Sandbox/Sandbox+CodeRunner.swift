// SPDX-License-Identifier: Apache-2.0

package import Core
import JSON
import Platform

extension Sandbox: CodeRunner {
    package var runsCode: Bool { running != nil && state.isTrusted && python != nil }

    private var python: Language? { state.languages.first { $0.name == "python" } }

    package func run(_ task: CodeTask) async throws(Failure) -> CodeOutcome {
        guard let runner = running, state.isTrusted, let python else { throw Failure(RunRefusal.unable) }
        var name = python.file
        while task.files.contains(where: { $0.name == Array(name.utf8) }) { name = "_" + name }
        let files = task.files.map { BoxOrder.File(name: $0.name, content: $0.content) }
        let order = BoxOrder(
            python.program(file: name, arguments: [], cpus: max(1, settings.cpuHundredths / 100)),
            files: [BoxOrder.File(name: Array(name.utf8), content: Array(task.code.utf8))] + files,
            limits: settings.standard, layers: layers)
        var answer = try await runner.answer(
            RunRequest(tenant: task.tenant, order: order), id: ULID.make(prefix: "exe_", at: .now()),
            from: task.loop, cancellation: task.cancellation, enforcements: state.verdict?.enforcements,
            exchange: task.exchange)
        if task.keepsFiles, let exchange = task.exchange {
            answer.fileIDs = await keep(answer.result.files, for: exchange)
        }
        let result = answer.result
        return CodeOutcome(
            json: answer.json, output: String(decoding: result.output, as: UTF8.self),
            errors: String(decoding: result.errors, as: UTF8.self), exitCode: result.report.exitCode,
            status: answer.status.rawValue,
            files: result.files.map { CodeFile(name: $0.name, content: $0.content) })
    }

    package func open(_ ids: [String], for exchange: Exchange) async throws(Failure) -> [CodeFile] {
        let most = settings.requestBytesMax
        return try await open(ids.map { (nil, $0) }, for: exchange, bytesMax: most).map {
            CodeFile(name: $0.name, content: $0.content)
        }
    }

    /// What models' programs leave is kept where that was agreed to and nobody asked for the contrary. What cannot be kept is
    /// in the answer all the same.
    private func keep(_ left: [BoxOrder.File], for exchange: Exchange) async -> [[UInt8]: String] {
        guard let files, !left.isEmpty, (try? await files.admit(exchange)) != nil else { return [:] }
        return await keep(left, in: files, for: exchange)
    }
}
