// The settings of the program, from flags and CEREBELUM_* variables, flags first. Parsed once, here; everything
// below is handed its values. A wrong one is a SETTINGS error that names the variable or flag, the value (never a
// secret one) and what is expected.

import { z } from 'zod'
import { CerebelumError } from '../core/errors.js'

const settings = {
  databaseUrl: setting('CEREBELUM_DATABASE_URL', databaseUrl().optional(), { secret: true }),
  schema: setting(
    'CEREBELUM_SCHEMA',
    z
      .string()
      .regex(/^[a-z_][a-z0-9_]{0,62}$/)
      .default('cerebelum'),
  ),
  dataDir: setting('CEREBELUM_DATA_DIR', z.string().default('.cerebelum/postgres')),
  databasePort: setting('CEREBELUM_DATABASE_PORT', port().optional()),
  connections: setting('CEREBELUM_CONNECTIONS', integer(1, 1_000).default(20)),
  host: setting('CEREBELUM_HOST', z.string().default('127.0.0.1')),
  port: setting('CEREBELUM_PORT', port().optional()),
  drainDelayMs: setting('CEREBELUM_DRAIN_DELAY_MS', integer(0, 600_000).default(0)),
  corsOrigins: setting('CEREBELUM_CORS_ORIGINS', origins().optional()),
  region: setting(
    'CEREBELUM_REGION',
    z
      .string()
      .regex(/^[a-z0-9][a-z0-9-]{0,62}$/)
      .optional(),
  ),
  retention: setting('CEREBELUM_RETENTION', z.string().optional()),
  archiveDir: setting('CEREBELUM_ARCHIVE_DIR', z.string().optional()),
  logLevel: setting('CEREBELUM_LOG_LEVEL', z.enum(['debug', 'info', 'warn', 'error', 'silent']).optional()),
} as const

type Settings = typeof settings
export type SettingName = keyof Settings

/** Where `port` is undefined: a command may take the next one when it is taken, if nobody asked for this one. */
export const DEFAULT_PORT = 4000

export type LogLevel = NonNullable<Config['logLevel']>

export type Config = { readonly [Name in SettingName]: z.output<Settings[Name]['schema']> }

/** Flags as the command line gives them: text, under the setting's name. */
export type Flags = { readonly [Name in SettingName]?: string | undefined }

export function readConfig(
  flags: Flags = {},
  env: Readonly<Record<string, string | undefined>> = process.env,
): Config {
  const read = <T>(name: SettingName, { variable, schema, isSecret }: Setting<z.ZodType<T>>): T => {
    const flag = flags[name]
    const given = flag ?? textOf(env[variable])
    const parsed = schema.safeParse(given)
    if (parsed.success) return parsed.data
    const source = flag === undefined ? variable : flagOf(name)
    const value = isSecret ? '' : ` is ${JSON.stringify(given)}, which`
    const expected = parsed.error.issues.map(({ message }) => message).join('; ')
    throw new CerebelumError('SETTINGS', `The setting ${source}${value} is not valid: ${expected}.`, {
      setting: source,
    })
  }
  refuseClash(flags)
  return {
    databaseUrl: read('databaseUrl', settings.databaseUrl),
    schema: read('schema', settings.schema),
    dataDir: read('dataDir', settings.dataDir),
    databasePort: read('databasePort', settings.databasePort),
    connections: read('connections', settings.connections),
    host: read('host', settings.host),
    port: read('port', settings.port),
    drainDelayMs: read('drainDelayMs', settings.drainDelayMs),
    corsOrigins: read('corsOrigins', settings.corsOrigins),
    region: read('region', settings.region),
    retention: read('retention', settings.retention),
    archiveDir: read('archiveDir', settings.archiveDir),
    logLevel: read('logLevel', settings.logLevel),
  }
}

/** Two flags that cannot both be meant; a variable beside a flag may be there for other commands. */
function refuseClash(flags: Flags): void {
  const { databaseUrl: url, dataDir, databasePort } = flags
  if (url === undefined || (dataDir === undefined && databasePort === undefined)) return
  const other = dataDir === undefined ? '--database-port' : '--data-dir'
  const text = `--database-url and ${other} clash: the first names a database, the other is for the embedded one. Give one of them.`
  throw new CerebelumError('SETTINGS', text, { setting: other })
}

/**
 * Empty counts as absent (compose files and CI set such), and so does what Kubernetes injects for a Service of
 * the name "cerebelum": CEREBELUM_PORT=tcp://10.0.0.7:4000 is its address, not our setting.
 */
function textOf(value: string | undefined): string | undefined {
  return value === '' || value?.startsWith('tcp://') === true ? undefined : value
}

function flagOf(name: SettingName): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
}

/** For help and documentation. */
export function variableOf(name: SettingName): string {
  return settings[name].variable
}

interface Setting<Schema extends z.ZodType> {
  readonly variable: string
  readonly schema: Schema
  readonly isSecret: boolean
}

function setting<Schema extends z.ZodType>(
  variable: string,
  schema: Schema,
  { secret = false }: { readonly secret?: boolean } = {},
): Setting<Schema> {
  return { variable, schema, isSecret: secret }
}

function integer(min: number, max: number) {
  return z
    .string()
    .regex(/^\d{1,9}$/, `expected a whole number from ${min} to ${max}`)
    .transform(Number)
    .pipe(z.number().min(min, `expected at least ${min}`).max(max, `expected at most ${max}`))
}

function port() {
  return integer(0, 65_535)
}

function databaseUrl() {
  return z.string().refine((text) => {
    const url = URL.canParse(text) ? new URL(text) : null
    return url !== null && (url.protocol === 'postgres:' || url.protocol === 'postgresql:')
  }, 'expected postgres://user:password@host:port/database')
}

function origins() {
  const expected = 'expected origins such as https://app.example.com, with commas between them'
  return z
    .string()
    .transform((text) => text.split(',').map((part) => part.trim()))
    .refine((list) => list.every((one) => URL.canParse(one) && new URL(one).origin === one), expected)
}
