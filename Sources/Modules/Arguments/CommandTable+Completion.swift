// SPDX-License-Identifier: Apache-2.0

/// A shell that completes command lines.
package enum Shell: String, CaseIterable, Sendable {
    case bash
    case zsh
    case fish
}

extension CommandTable {
    /// The script by which a shell completes command lines of this table: commands, options, and the values of those that
    /// are one of a few words or a file.
    package func completion(for shell: Shell) -> String {
        switch shell {
        case .bash: bashCompletion
        case .zsh: zshCompletion
        case .fish: fishCompletion
        }
    }

    /// Every command's options, with those of all commands.
    private func allOptions(of command: Command) -> [CommandOption] { command.options + options + [.help] }

    /// The names, with their dashes, of options that are followed by a value, in any command.
    private var valued: [String] {
        let all = (options + commands.flatMap(\.options)).filter { $0.value != .none }
        return Set(all.flatMap(spellings)).sorted()
    }

    private func spellings(_ option: CommandOption) -> [String] {
        ["--\(option.name)"] + (option.letter.map { ["-\($0)"] } ?? [])
    }

    /// What may stand behind the words so far: the nouns, or a noun's verbs.
    private var continuations: [(words: String, next: [(word: String, summary: String)])] {
        var found: [(words: String, next: [(word: String, summary: String)])] = []
        let first = nouns.map { noun in
            let own = commands(of: noun)
            let summary = own.count == 1 ? own[0].summary : own.compactMap { $0.words.last }.joined(separator: ", ")
            return (noun, summary)
        }
        found.append(("", first))
        for noun in nouns {
            let verbs = commands(of: noun).filter { $0.words.count > 1 }
            if !verbs.isEmpty { found.append((noun, verbs.map { ($0.words[1], $0.summary) })) }
        }
        return found
    }

    /// Values that can be offered: of a command's option, as words or as a file.
    private var offers: [(command: String, option: String, words: [String]?)] {
        commands.flatMap { command in
            allOptions(of: command).flatMap { option -> [(String, String, [String]?)] in
                switch option.value {
                case .choice(let words): spellings(option).map { (command.name, $0, words) }
                case .file: spellings(option).map { (command.name, $0, nil) }
                default: []
                }
            }
        }
    }

    // MARK: Bash

    private var bashCompletion: String {
        var lines = [
            "# bash completion for \(program); made by: \(program) completion bash", "_\(program)() {",
            "    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} command= word i",
            "    for ((i = 1; i < COMP_CWORD; i++)); do", "        word=${COMP_WORDS[i]}",
            "        case $word in", "        \(valued.joined(separator: " | "))) ((i++)) ;;", "        -*) ;;",
            "        *) command=${command:+$command }$word ;;", "        esac", "    done",
            "    case \"$command|$previous\" in",
        ]
        for offer in offers {
            let words = offer.words.map { "-W '\($0.joined(separator: " "))'" } ?? "-f"
            lines.append("    '\(offer.command)'*'|\(offer.option)')")
            lines.append("        mapfile -t COMPREPLY < <(compgen \(words) -- \"$current\")")
            lines.append("        return ;;")
        }
        for option in options where option.value == .file {
            let patterns = spellings(option).map { "*'|\($0)'" }.joined(separator: " | ")
            lines.append("    \(patterns)) mapfile -t COMPREPLY < <(compgen -f -- \"$current\"); return ;;")
        }
        lines.append("    esac")
        lines.append("    case $command in")
        let common = (options + [.help]).flatMap(spellings)
        for (words, next) in continuations {
            let all = (next.map(\.word) + (words.isEmpty ? common : [])).joined(separator: " ")
            lines.append("    '\(words)') mapfile -t COMPREPLY < <(compgen -W '\(all)' -- \"$current\") ;;")
        }
        for command in commands {
            let all = allOptions(of: command).flatMap(spellings).joined(separator: " ")
            lines.append("    '\(command.name)'*) mapfile -t COMPREPLY < <(compgen -W '\(all)' -- \"$current\") ;;")
        }
        lines += ["    esac", "}", "complete -F _\(program) \(program)", ""]
        return lines.joined(separator: "\n")
    }

    // MARK: zsh

    private var zshCompletion: String {
        var lines = [
            "#compdef \(program)", "# zsh completion for \(program); made by: \(program) completion zsh",
            "_\(program)() {",
            "    local command= word", "    integer i", "    local -a next",
            "    for ((i = 2; i < CURRENT; i++)); do", "        word=$words[i]", "        case $word in",
            "        \(valued.joined(separator: "|"))) ((i++)) ;;", "        -*) ;;",
            "        *) command=${command:+$command }$word ;;", "        esac", "    done",
            "    case \"$command|$words[CURRENT-1]\" in",
        ]
        for offer in offers {
            let action = offer.words.map { "compadd -- \($0.joined(separator: " "))" } ?? "_files"
            lines.append("    '\(offer.command)'*'|\(offer.option)') \(action); return ;;")
        }
        for option in options where option.value == .file {
            let patterns = spellings(option).map { "*'|\($0)'" }.joined(separator: "|")
            lines.append("    \(patterns)) _files; return ;;")
        }
        lines.append("    esac")
        lines.append("    case $command in")
        for (words, next) in continuations {
            let items = next.map { zshItem($0.word, $0.summary) }.joined(separator: " ")
            lines.append("    '\(words)') next=(\(items)); _describe command next ;;")
        }
        for command in commands {
            let items = allOptions(of: command).map { zshItem("--\($0.name)", $0.summary) }.joined(separator: " ")
            lines.append("    '\(command.name)'*) next=(\(items)); _describe -o option next ;;")
        }
        lines += ["    esac", "}", "_\(program) \"$@\"", ""]
        return lines.joined(separator: "\n")
    }

    private func zshItem(_ word: String, _ summary: String) -> String {
        "'\(quoted(word + ":" + summary.replacing(":", with: "\\:"), "'\\''"))'"
    }

    // MARK: fish

    private var fishCompletion: String {
        var lines = [
            "# fish completion for \(program); made by: \(program) completion fish",
            "function __\(program)_command",
            "    set -l skip no", "    set -l words", "    for word in (commandline -opc)[2..]",
            "        if test $skip = yes", "            set skip no", "            continue", "        end",
            "        switch $word", "            case \(valued.map { "'\($0)'" }.joined(separator: " "))",
            "                set skip yes", "            case '-*'", "            case '*'",
            "                set -a words $word", "        end", "    end", "    echo \"$words\"", "end",
            "function __\(program)_at", "    test (__\(program)_command) = \"$argv\"", "end",
            "function __\(program)_in", "    string match -q -- \"$argv\" (__\(program)_command)",
            "    or string match -q -- \"$argv *\" (__\(program)_command)", "end",
            "complete -c \(program) -f",
        ]
        for (words, next) in continuations {
            for item in next {
                lines.append(
                    "complete -c \(program) -n '__\(program)_at \(words)' -a \(item.word) -d '\(fishText(item.summary))'"
                )
            }
        }
        for option in options + [.help] { lines.append("complete -c \(program) \(fishOption(option))") }
        for command in commands {
            for option in command.options {
                lines.append("complete -c \(program) -n '__\(program)_in \(command.name)' \(fishOption(option))")
            }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private func fishOption(_ option: CommandOption) -> String {
        var text = "-l \(option.name)" + (option.letter.map { " -s \($0)" } ?? "")
        switch option.value {
        case .none: break
        case .file: text += " -r -F"
        case .choice(let words): text += " -x -a '\(words.joined(separator: " "))'"
        default: text += " -x"
        }
        return text + " -d '\(fishText(option.summary))'"
    }

    private func fishText(_ text: String) -> String { quoted(text, "\\'") }

    /// A text for within single quotes, where `quote` stands for one of them.
    private func quoted(_ text: String, _ quote: String) -> String { text.replacing("'", with: quote) }
}

extension String {
    /// The same with another text for each occurrence of one character.
    fileprivate func replacing(_ character: Character, with text: String) -> String {
        var result = ""
        for one in self { if one == character { result += text } else { result.append(one) } }
        return result
    }
}
