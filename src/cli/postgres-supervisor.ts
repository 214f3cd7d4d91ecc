// Watches an embedded server on behalf of one of its users, and starts it again when it was killed: at the same
// address, so that everybody's connections come back by themselves. A server that was stopped in good order is left
// alone: whoever did that wanted it so.

import { Loop } from '../core/loop.js'
import { systemClock, type Logger } from '../core/ports.js'
import { readPidFile, type PidFile, type ServerFolder } from './postgres-folder.js'
import type { Presence } from './postgres-presence.js'
import { isServerOf } from './postgres-process.js'

export interface Joined {
  readonly running: PidFile
  readonly presence: Presence
  /** It ran already. */
  readonly adopted: boolean
}

export interface SupervisorOptions {
  readonly folder: ServerFolder
  readonly log: Logger
  readonly joined: Joined
  /** Joins whatever server runs, or starts one, preferably with this socket folder. */
  readonly rejoin: (socketDir: string) => Promise<Joined>
}

const LOOK_MS = 500
const AFTER_ERROR_MS = 1_000

export class Supervisor {
  joined: Joined
  private readonly options: SupervisorOptions
  private readonly loop: Loop
  private isToldStopped = false

  constructor(options: SupervisorOptions) {
    this.options = options
    this.joined = options.joined
    this.loop = new Loop({
      name: 'embedded PostgreSQL',
      clock: systemClock,
      log: options.log,
      turn: () => this.look(),
      afterErrorMs: AFTER_ERROR_MS,
    })
  }

  start(): void {
    this.loop.start()
  }

  /** A restart that is under way is waited for. */
  stop(): Promise<void> {
    return this.loop.stop()
  }

  private async look(): Promise<number> {
    const { folder, log } = this.options
    const { running } = this.joined
    if (await isServerOf(running.pid, folder.cluster)) return LOOK_MS
    // A killed server leaves its pid file, one that is stopped removes it.
    if ((await readPidFile(folder)) === null) this.tellStopped()
    else {
      log.warn({ pid: running.pid }, 'the embedded PostgreSQL was killed; starting it again')
      await this.rejoin(running)
    }
    return LOOK_MS
  }

  private async rejoin({ socketDir }: PidFile): Promise<void> {
    const { presence } = this.joined
    this.joined = await this.options.rejoin(socketDir)
    await presence.end()
    const { running } = this.joined
    if (running.socketDir === socketDir) return
    this.options.log.error(
      { before: socketDir, now: running.socketDir },
      'the embedded PostgreSQL has another address now; start this process again',
    )
  }

  private tellStopped(): void {
    if (this.isToldStopped) return
    this.isToldStopped = true
    this.options.log.warn({}, 'the embedded PostgreSQL was stopped by others; it is not started again')
  }
}
