// SPDX-License-Identifier: Apache-2.0

import Core
import HTTP

/// What a developer asked the built-in model to do, read from the first lines of the last user turn:
///
///     /echo TEXT               answers TEXT; without any command the whole turn is echoed, word for word
///     /tokens N                answers N numbered words
///     /raw TEXT                answers TEXT even where a JSON schema is asked for, to break it
///     /think TEXT              thinks TEXT before it answers
///     /refuse TEXT             refuses with TEXT
///     /tool NAME {JSON}        calls a tool; several lines are parallel calls
///     /finish REASON           ends with `length` or `content_filter`
///     /usage IN OUT            reports these figures
///     /delay DURATION          waits before the first byte: 250ms, 2s, 1m
///     /pace DURATION           waits between tokens
///     /fail STATUS [DURATION]  fails as a provider that answers STATUS, with `retry-after` if a duration is given
///     /fail-after N [STATUS]   breaks the stream with an error after N tokens
///     /cut N                   ends the connection after N tokens, without an ending
///     /hang                    never answers
///     /about                   says what it is, and this list
///
/// An answer that is to break off and has no text of its own is made of numbered words.
///
/// Commands stand one a line and can be combined; what follows them is the text to answer. A command whose arguments
/// make no sense is answered with a sentence that says what it wants.
struct BuiltinScript: Equatable {
    /// A break in the middle of the answer.
    enum Break: Equatable {
        case failure(status: Int)
        case cut
    }

    var delay: Duration?
    var pace: Duration?
    var failure: (status: Int, retryAfter: Duration?)?
    var hangs = false
    /// After how many tokens, and how.
    var breakOff: (tokens: Int, Break)?
    var thought: String?
    var refusal: String?
    var calls: [(name: String, arguments: String)] = []
    var finish: FinishReason?
    var usage: (input: Int, output: Int)?
    /// Words to number, if asked.
    var tokens: Int?
    /// The text to answer with, as it is, whatever format is asked for.
    var raw: String?
    /// The text behind the commands.
    var text = ""

    /// Words to make where an answer is to break off and has no text.
    var tokensToBreak: Int? {
        text.isEmpty ? breakOff.map { $0.tokens + 1 } : nil
    }

    /// The most words `/tokens` makes, and the longest wait of `/delay` and `/pace`.
    static let tokensMax = 100_000
    static let waitMax: Duration = .seconds(600)

    init(_ turn: String) {
        var rest = turn[...]
        while rest.first == "/" {
            let line = rest.prefix { !Self.endsLine($0) }
            guard let command = Command(line) else { break }
            if !take(command) {
                self = BuiltinScript(answering: "builtin: \(command.usage)")
                return
            }
            rest = rest.dropFirst(line.count)
            if let end = rest.first, Self.endsLine(end) { rest.removeFirst() }
        }
        if rest.isEmpty { return }
        // The lines behind `/echo` and `/raw` belong to their text.
        if raw != nil {
            raw?.append("\n" + rest)
        } else {
            text = text.isEmpty ? String(rest) : text + "\n" + rest
        }
    }

    private init(answering text: String) {
        raw = text
    }

    static func == (left: BuiltinScript, right: BuiltinScript) -> Bool {
        left.text == right.text && left.raw == right.raw && left.delay == right.delay && left.pace == right.pace
            && left.tokens == right.tokens && left.thought == right.thought && left.refusal == right.refusal
            && left.hangs == right.hangs && left.finish == right.finish
            && left.calls.map(\.name) == right.calls.map(\.name)
    }

    /// One line: a word that begins with a slash, and what follows it.
    private struct Command {
        enum Word: String, CaseIterable {
            case echo, tokens, raw, think, refuse, tool, finish, usage, delay, pace, fail, cut, hang, about
            case failAfter = "fail-after"
        }

        let word: Word
        let rest: String
        var words: [Substring] { rest.split(separator: " ") }

        /// `nil` for a line that only looks like a command (`/etc/passwd`): it is text.
        init?(_ line: Substring) {
            let name = line.dropFirst().prefix { $0 != " " }
            guard let word = Word(rawValue: String(name)) else { return nil }
            self.word = word
            rest = String(line.dropFirst(name.count + 1).drop { $0 == " " })
        }

        var usage: String {
            switch word {
            case .echo, .raw, .think, .refuse: "/\(word.rawValue) wants a text"
            case .tokens: "/tokens wants a number from 0 to \(BuiltinScript.tokensMax)"
            case .tool: "/tool wants a name and, if it has arguments, a JSON object"
            case .finish: "/finish wants length or content_filter"
            case .usage: "/usage wants two numbers, input and output tokens"
            case .delay, .pace: "/\(word.rawValue) wants a duration up to 10m, such as 250ms or 2s"
            case .fail: "/fail wants a status from 400 to 599, and perhaps a duration for retry-after"
            case .failAfter: "/fail-after wants a number of tokens, and perhaps a status from 400 to 599"
            case .cut: "/cut wants a number of tokens"
            case .hang, .about: "/\(word.rawValue) wants nothing"
            }
        }
    }

    /// - Returns: false if the arguments make no sense.
    private mutating func take(_ command: Command) -> Bool {
        let words = command.words
        switch command.word {
        case .echo: text = command.rest
        case .raw: raw = command.rest
        case .think: thought = command.rest
        case .refuse: refusal = command.rest
        case .about: raw = Self.about
        case .hang: hangs = true
        case .tokens:
            tokens = words.first.flatMap(Self.count)
            return tokens != nil
        case .tool:
            guard let name = words.first else { return false }
            let arguments = command.rest.dropFirst(name.count).drop { $0 == " " }
            calls.append((String(name), arguments.isEmpty ? "{}" : String(arguments)))
        case .finish:
            guard let word = words.first, word == "length" || word == "content_filter" else { return false }
            finish = FinishReason(openAI: String(word))
        case .usage:
            let figures = words.compactMap { Int($0) }
            guard figures.count == 2, figures.allSatisfy({ (0...GatewayLimits.tokensMax).contains($0) }) else {
                return false
            }
            usage = (figures[0], figures[1])
        case .delay:
            delay = words.first.flatMap(Self.duration)
            return delay != nil
        case .pace:
            pace = words.first.flatMap(Self.duration)
            return pace != nil
        case .fail:
            guard let status = words.first.flatMap(Self.status) else { return false }
            failure = (status, words.last.flatMap(Self.duration))
        case .failAfter:
            guard let count = words.first.flatMap(Self.count) else { return false }
            breakOff = (count, .failure(status: words.dropFirst().first.flatMap(Self.status) ?? 500))
        case .cut:
            guard let count = words.first.flatMap(Self.count) else { return false }
            breakOff = (count, .cut)
        }
        return true
    }

    /// A line break that people type; the other ones of Unicode are text.
    private static func endsLine(_ character: Character) -> Bool {
        character == "\n" || character == "\r\n"
    }

    private static func count(_ word: Substring) -> Int? {
        Int(word).flatMap { (0...tokensMax).contains($0) ? $0 : nil }
    }

    private static func status(_ word: Substring) -> Int? {
        Int(word).flatMap { (400...599).contains($0) ? $0 : nil }
    }

    /// `250ms`, `2s`, `1m`.
    private static func duration(_ word: Substring) -> Duration? {
        let digits = word.prefix { $0.isASCII && $0.isNumber }
        guard let number = Int(digits), number <= 600_000 else { return nil }
        let duration: Duration
        switch word.dropFirst(digits.count) {
        case "ms": duration = .milliseconds(number)
        case "s": duration = .seconds(number)
        case "m": duration = .seconds(number * 60)
        default: return nil
        }
        return duration <= waitMax ? duration : nil
    }

    /// What it says of itself.
    static let about = """
        I am the built-in model of Gatehouse: a deterministic program for development and tests, not a language model. \
        I answer with what you say. The first lines of a turn may be commands:
        /echo TEXT, /tokens N, /raw TEXT, /think TEXT, /refuse TEXT, /tool NAME {JSON}, /finish length|content_filter,
        /usage IN OUT, /delay DURATION, /pace DURATION, /fail STATUS [DURATION], /fail-after N [STATUS], /cut N, /hang, /about
        """
}
