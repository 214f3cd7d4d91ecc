// The flags that commands share: each is a setting of config.ts under the same name, given as text and checked there.

import type { Command } from 'commander'
import { DEFAULT_PORT, variableOf, type Flags, type SettingName } from './config.js'

const FLAGS: { readonly [Name in SettingName]: readonly [flag: string, meaning: string] } = {
  databaseUrl: ['--database-url <url>', 'PostgreSQL or CockroachDB (default: an embedded PostgreSQL)'],
  schema: ['--schema <name>', 'schema of our tables (default: cerebelum)'],
  dataDir: ['--data-dir <folder>', 'data of the embedded PostgreSQL (default: .cerebelum/postgres)'],
  databasePort: ['--database-port <port>', 'let the embedded PostgreSQL listen on 127.0.0.1 too'],
  connections: ['--connections <number>', 'connections to the database (default: 20)'],
  host: ['--host <address>', 'address of the HTTP server (default: 127.0.0.1)'],
  port: ['--port <port>', `port of the HTTP server, 0 for any (default: ${DEFAULT_PORT})`],
  drainDelayMs: [
    '--drain-delay-ms <ms>',
    'how long to serve on, unready, before leaving: until balancers have noticed (default: 0)',
  ],
  corsOrigins: ['--cors-origins <list>', 'origins whose pages may call the API (default: none)'],
  region: ['--region <name>', 'region of this node (default: local)'],
  retention: ['--retention <span>', 'how long closed executions are kept, or off (default: 30 days)'],
  archiveDir: ['--archive-dir <folder>', 'where they go before they are removed (default: nowhere)'],
  logLevel: ['--log-level <level>', 'debug, info, warn, error or silent'],
}

export const DATABASE_FLAGS: readonly SettingName[] = [
  'databaseUrl',
  'schema',
  'dataDir',
  'databasePort',
  'region',
  'logLevel',
]
export const NODE_FLAGS: readonly SettingName[] = [
  ...DATABASE_FLAGS,
  'connections',
  'host',
  'port',
  'drainDelayMs',
  'corsOrigins',
  'retention',
  'archiveDir',
]

export function addFlags(command: Command, names: readonly SettingName[]): Command {
  for (const name of names) {
    const [flag, meaning] = FLAGS[name]
    command.option(flag, `${meaning} [${variableOf(name)}]`)
  }
  return command
}

/** The same flags for another process. */
export function flagArguments(flags: Flags): string[] {
  return NODE_FLAGS.flatMap((name) => {
    const [flag = ''] = FLAGS[name][0].split(' ')
    const value = flags[name]
    return value === undefined ? [] : [`${flag}=${value}`]
  })
}
