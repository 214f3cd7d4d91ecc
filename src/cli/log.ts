// The program's log: JSON lines on standard error by pino, one per happening, written at once so that nothing is lost
// when the process is killed. Standard output stays free for results.

import { destination, pino, stdTimeFunctions } from 'pino'
import type { Logger } from '../core/ports.js'
import type { LogLevel } from './config.js'
import { logError } from './log-error.js'

export function createLog(level: LogLevel): Logger {
  return pino(
    {
      level,
      base: { process: process.pid },
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: logError },
    },
    destination({ dest: 2, sync: true }),
  )
}
