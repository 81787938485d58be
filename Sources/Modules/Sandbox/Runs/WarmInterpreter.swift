// SPDX-License-Identifier: Apache-2.0
//
// Python that is started before it is known what it is to run.
//
// The interpreter is executed as for any run, `python3 main.py`, in a finished box with every layer. While it starts it imports
// `sitecustomize` (docs.python.org/3/library/site.html), which is ours: it takes itself away, imports what is to be there
// already, says on its standard input, a socket, that it is ready, and waits there. What comes is the order and the program's
// own standard input. It writes the order's files, `main.py` among them, and lets Python go on: from there all is as if the
// program had been there from the beginning, its tracebacks and `sys.argv` too.
//
// What was imported before is not taken apart at the end, which takes numpy longer than most programs do: `forget`, the last of
// what is done at exit, hides it from Python, and `kept`, a cycle in the frozen part of what is collected, keeps it. The program's
// own module must not be frozen: files that it left open are written when it is collected.
//
// A box gets one program and is gone with it. Nothing of anybody's is in it before, and nobody else is in it after.

enum WarmInterpreter {
    /// Where its beginning lies in the workspace, until the first line of it has run.
    private static let folder = ".gatehouse"
    private static let preface = "GATEHOUSE_WARM"

    /// The order of a box whose Python waits.
    ///
    /// - Parameters:
    ///   - limits: what a run has that says nothing, with the most processor time that one may ask for.
    ///   - modules: what is imported before, where it is there.
    static func order(
        _ python: Language, cpus: Int, modules: [String], limits: BoxLimits, layers: BoxLayers
    ) -> BoxOrder? {
        guard case .command(let path, let words, let settings) = program(python, [], cpus) else { return nil }
        let more = [
            "PYTHONPATH=\(Box.workspace)/\(folder)",
            "\(preface)=" + ([String(words.count)] + modules).joined(separator: " "),
        ]
        let file = BoxOrder.File(name: Array("\(folder)/sitecustomize.py".utf8), content: Array(beginning.utf8))
        return BoxOrder(
            .command(path: path, words: words, settings: settings + more), files: [file], limits: limits,
            layers: layers,
            waits: true)
    }

    private static func program(_ python: Language, _ arguments: [String], _ cpus: Int) -> BoxOrder.Program {
        python.program(file: python.file, arguments: arguments, cpus: cpus)
    }

    /// Whether an interpreter that waits can run this: the same program with the same limits, and no more files than there is
    /// surely room for. Time, processor time and output are watched from outside, and may be any.
    static func canRun(_ order: BoxOrder, _ python: Language, cpus: Int, standard: BoxLimits) -> Bool {
        guard case .command(let path, let words, let settings) = order.program,
            case .command(path, let own, settings) = program(python, [], cpus), words.starts(with: own),
            order.files.first?.name == Array(python.file.utf8), order.collectsFiles
        else { return false }
        var limits = order.limits
        limits.wallMilliseconds = standard.wallMilliseconds
        limits.cpuMilliseconds = standard.cpuMilliseconds
        limits.outputBytes = standard.outputBytes
        guard limits == standard, order.files.count <= standard.inodes / 32 else { return false }
        let bytes = order.files.reduce(0) { $0 + $1.content.count + 8192 }
        // A hidden folder at the top may be one in which Python looks before it waits: packages of the user's.
        return bytes <= standard.diskBytes / 2 && !order.files.contains { $0.name.first == UInt8(ascii: ".") }
    }

    private static let beginning = """
        def begin():
            import atexit, gc, os, sys
            folder = os.path.dirname(__file__)
            os.unlink(__file__)
            os.rmdir(folder)
            sys.path.remove(folder)
            sys.path_importer_cache.pop(folder, None)
            del os.environ["PYTHONPATH"]
            count, *names = os.environ.pop("\(preface)").split()
            import _socket
            ready = ["ready"]
            before, kept = set(sys.modules), []
            def forget():
                for name in kept[1] if kept else ():
                    sys.modules.pop(name, None)
            atexit.register(forget)
            for name in names:
                try:
                    __import__(name)
                    ready.append(name)
                except Exception:
                    pass
            more = {name: sys.modules[name] for name in sys.modules if name not in before}
            if more:
                kept += kept, more
            gc.collect()
            gc.freeze()
            main = sys.modules["__main__"]
            fresh = type(main)("__main__")
            fresh.__dict__.update(main.__dict__)
            sys.modules["__main__"] = fresh
            door = _socket.socket(fileno=0)
            door.send(" ".join(ready).encode())
            word, sent, _, _ = door.recvmsg(1, _socket.CMSG_SPACE(8))
            if not sent:
                os._exit(0)
            order, source = (int.from_bytes(sent[0][2][at : at + 4], sys.byteorder) for at in (0, 4))
            door.detach()
            os.dup2(source, 0)
            os.close(source)
            data = os.pread(order, os.fstat(order).st_size, 0)
            os.close(order)
            place = 0
            def number():
                nonlocal place
                place += 8
                return int.from_bytes(data[place - 8 : place], "little")
            def text():
                nonlocal place
                length = number()
                place += length
                return data[place - length : place]
            number(), text()
            words = [os.fsdecode(text()) for _ in range(number())]
            for _ in range(number()):
                text()
            for _ in range(number()):
                number()
            number(), number()
            for _ in range(number()):
                name = text()
                if b"/" in name:
                    os.makedirs(os.path.dirname(name), 0o755, exist_ok=True)
                with open(name, "wb", 0) as file:
                    file.write(text())
            sys.argv[1:] = words[int(count):]
            old = sys.stdin
            sys.stdin = sys.__stdin__ = open(0, encoding=old.encoding, errors=old.errors, newline="\\n", closefd=False)
            sys.stdin.buffer.raw.name = "<stdin>"
        try:
            begin()
        except BaseException as error:
            import os
            os.write(2, ("the program could not be begun: %r\\n" % (error,)).encode())
            os._exit(1)
        del begin

        """
}
