/**
 * Starts programs by posix_spawn(3), called in the C library itself through node:ffi. What Node has for it is fork(2),
 * which copies the page tables of the whole daemon while all its threads wait: a millisecond for every 22 MiB resident,
 * and page faults for each of them afterwards. posix_spawn lends the child its memory until the program is loaded, which
 * takes 0.2 ms whatever the daemon's size. Plain, blocking code, because it runs in the spawner's worker.
 *
 * The quick way and never the only one: `spawn` gives undefined for what it does not do (another user, a program to be
 * looked up in PATH, a spec that does not fit) and for whatever fails, and the command is then started by
 * node:child_process, with its errors. A command cannot tell which way it came.
 *
 * Bounds: one block of memory for all calls, which is never given back or moved, so that no address can become stale.
 */
import type * as NodeFfi from "node:ffi"
import { fchmodSync } from "node:fs"
import { constants } from "node:os"
import type { Pipe } from "./Pipes.ts"
import type { CommandSpec, ExitStatus } from "./SpawnerProtocol.ts"

export interface PosixSpawn {
  /** The process id, or undefined when nothing was started. */
  readonly spawn: (spec: CommandSpec, stdout: Pipe, stderr: Pipe) => number | undefined
  /** How a process that `spawn` started has ended; undefined while it lives. Once told, the number is nobody's. */
  readonly reap: (pid: number) => ExitStatus | undefined
  /** A pipe nobody else holds, or undefined where none can be made. */
  readonly makePipe: () => Pipe | undefined
}

/** Arguments and environment of a command; what needs more is started the other way. */
const arenaBytes = 256 * 1024

/**
 * Where things lie in the arena. The C library's own structures have 336 bytes at most (glibc, posix_spawnattr_t), and a
 * signal set 128; what a call is given lies behind them, anew each time.
 */
const at = { attributes: 0, actions: 1024, signals: 2048, pid: 2304, status: 2312, pipe: 2320, given: 4096 } as const

/**
 * As libuv leaves them to a child: nothing blocked, and what the daemon ignores (SIGPIPE) ends the command again. These
 * are the signals 1 to 31 and the three that C libraries keep for themselves and would leave ignored.
 */
const resetSignals = 0x3_ffff_ffffn
const flags = { setSigDef: 0x04, setSigMask: 0x08, setSid: 0x80 } as const
const noHang = 1

/** A command that runs as another user may open its own /dev/stderr; the pipe has no name that others could open. */
const pipeMode = 0o666

/**
 * Pointers are declared as `function`, which is an address like any other to the C library: Node then calls through
 * libffi. For signatures without it V8 compiles calls of its own, and a thread that ends while it does so brings down
 * the process (Node 26.10: the compiler reads the signature after it was freed).
 */
const pointer = "function"
const int = "int32"
const declarations = {
  posix_spawn: { return: int, arguments: [pointer, pointer, pointer, pointer, pointer, pointer] },
  posix_spawnattr_init: { return: int, arguments: [pointer] },
  posix_spawnattr_setflags: { return: int, arguments: [pointer, "int16"] },
  posix_spawnattr_setsigdefault: { return: int, arguments: [pointer, pointer] },
  posix_spawn_file_actions_init: { return: int, arguments: [pointer] },
  posix_spawn_file_actions_addchdir_np: { return: int, arguments: [pointer, pointer] },
  posix_spawn_file_actions_adddup2: { return: int, arguments: [pointer, int, int] },
  posix_spawn_file_actions_addopen: { return: int, arguments: [pointer, int, pointer, int, "uint32"] },
  posix_spawn_file_actions_destroy: { return: int, arguments: [pointer] },
  pipe2: { return: int, arguments: [pointer, int] },
  waitpid: { return: int, arguments: [int, pointer, int] }
} as const

/** Undefined where there is no node:ffi (before Node 26, or turned off), or the C library has not what it takes. */
export const loadPosixSpawn = (): PosixSpawn | undefined => {
  // Addresses and the layout of vectors are those of 64 bits, little-endian.
  if (process.platform !== "linux" || !["x64", "arm64"].includes(process.arch)) return undefined
  const ffi: typeof NodeFfi | undefined = process.getBuiltinModule("node:ffi")
  if (ffi === undefined) return undefined
  try {
    const memory = new ArrayBuffer(arenaBytes)
    return make(ffi.dlopen(null, declarations).functions, memory, ffi.getRawPointer(memory))
  } catch {
    // A C library without one of the functions.
    return undefined
  }
}

type Functions = ReturnType<typeof NodeFfi.dlopen<typeof declarations>>["functions"]

const make = (c: Functions, memory: ArrayBuffer, base: bigint): PosixSpawn | undefined => {
  const bytes = Buffer.from(memory)
  const view = new DataView(memory)
  const address = (offset: number) => base + BigInt(offset)
  const attributes = address(at.attributes)
  const actions = address(at.actions)

  const prepareAttributes = () => {
    view.setBigUint64(at.signals, resetSignals, true)
    return [
      c.posix_spawnattr_init(attributes),
      c.posix_spawnattr_setsigdefault(attributes, address(at.signals)),
      // A session, and so a process group, of its own: one signal reaches whatever it starts. The mask is empty anew.
      c.posix_spawnattr_setflags(attributes, flags.setSid | flags.setSigDef | flags.setSigMask)
    ]
  }

  /** What the child does before it is the program; every step must have found room. */
  const prepareActions = (cwd: bigint | undefined, stdin: bigint, stdout: Pipe, stderr: Pipe) => [
    c.posix_spawn_file_actions_addopen(actions, 0, stdin, 0, 0),
    c.posix_spawn_file_actions_adddup2(actions, stdout.write, 1),
    c.posix_spawn_file_actions_adddup2(actions, stderr.write, 2),
    cwd === undefined ? 0 : c.posix_spawn_file_actions_addchdir_np(actions, cwd)
  ]

  const spawn = ({ argv, cwd, env }: CommandSpec, stdout: Pipe, stderr: Pipe): number | undefined => {
    let end: number = at.given
    /** Everything is written from `end` on, and nothing beyond the arena. */
    const text = (value: string): bigint => {
      const start = end
      end += Buffer.byteLength(value) + 1
      if (end > arenaBytes || value.includes("\0")) throw new NotThisWay()
      bytes[start + bytes.write(value, start)] = 0
      return address(start)
    }
    const vector = (values: ReadonlyArray<string>): bigint => {
      const texts = values.map(text)
      const start = Math.ceil(end / 8) * 8
      end = start + (texts.length + 1) * 8
      if (end > arenaBytes) throw new NotThisWay()
      texts.forEach((one, n) => view.setBigUint64(start + n * 8, one, true))
      view.setBigUint64(start + texts.length * 8, 0n, true)
      return address(start)
    }
    const program = text(argv[0])
    const given = vector(argv)
    const environment = vector(Object.entries(env).map(([name, value]) => `${name}=${value}`))
    const folder = cwd === undefined ? undefined : text(cwd)
    const nothing = text("/dev/null")
    if (c.posix_spawn_file_actions_init(actions) !== 0) return undefined
    const prepared = prepareActions(folder, nothing, stdout, stderr).every(isZero)
    const started = prepared && c.posix_spawn(address(at.pid), program, actions, attributes, given, environment) === 0
    c.posix_spawn_file_actions_destroy(actions)
    return started ? view.getInt32(at.pid, true) : undefined
  }

  if (!prepareAttributes().every(isZero)) return undefined
  return {
    spawn: (spec, stdout, stderr) => {
      // What a program without a slash is, libuv finds by the PATH of the command.
      if (spec.uid !== undefined || spec.gid !== undefined || !spec.argv[0].includes("/")) return undefined
      try {
        return spawn(spec, stdout, stderr)
      } catch (error) {
        if (error instanceof NotThisWay) return undefined
        throw error
      }
    },
    reap: (pid) =>
      c.waitpid(pid, address(at.status), noHang) === pid ? exitStatusOf(view.getInt32(at.status, true)) : undefined,
    makePipe: () => {
      if (c.pipe2(address(at.pipe), closeOnExec) !== 0) return undefined
      const pipe = { read: view.getInt32(at.pipe, true), write: view.getInt32(at.pipe + 4, true) }
      fchmodSync(pipe.write, pipeMode)
      return pipe
    }
  }
}

/** O_CLOEXEC has this value on both architectures, and node:fs does not name it. */
const closeOnExec = 0o2_000_000

class NotThisWay extends Error {}

const isZero = (result: number): boolean => result === 0

/** The status of wait(2): the signal in the low seven bits, else the exit code in the second byte. */
const exitStatusOf = (status: number): ExitStatus => {
  const signal = status & 0x7f
  if (signal === 0) return { _tag: "Exited", code: (status >> 8) & 0xff }
  const name = Object.entries(constants.signals).find(([, number]) => number === signal)?.[0]
  return { _tag: "Signaled", signal: name ?? `SIG${signal}` }
}
