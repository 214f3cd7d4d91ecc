// The README tells the truth: its commands exist, its first workflow compiles and runs as it stands, and its tables
// are those of the program.

import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { DEFAULT_PORT, readConfig, variableOf, type Config } from '../src/cli/config.js'
import { NODE_FLAGS } from '../src/cli/flags.js'
import { EXIT } from '../src/cli/exit-codes.js'
import { connect } from './support/connect.js'
import { databaseUrl } from './support/database.js'

const root = fileURLToPath(new URL('..', import.meta.url))
const readme = readFileSync(join(root, 'README.md'), 'utf8')
const run = promisify(execFile)

const Package = z.object({
  scripts: z.record(z.string(), z.string()),
  dependencies: z.record(z.string(), z.string()),
})
const { scripts, dependencies } = Package.parse(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')))

const blocks = (language: string): string[] =>
  Array.from(
    readme.matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, 'g')),
    ([, text = '']) => text,
  )

/** Cells of the rows whose first cell is in backquotes or a number, of the table under a head. */
function table(head: string): string[][] {
  const lines = readme.split('\n')
  const begin = lines.findIndex((line) => line.startsWith(`| ${head} `))
  const end = lines.findIndex((line, index) => index > begin && !line.startsWith('|'))
  const cells = (line: string): string[] =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim())
  return lines.slice(begin + 2, end).map(cells)
}

const unquoted = (cell: string | undefined): string => (cell ?? '').replaceAll('`', '')

describe('the commands', () => {
  test('that set it up are exactly the two', () => {
    expect(blocks('sh').map((text) => text.trim())).toEqual([
      'npm install && npm start',
      'npm install && npm test',
    ])
  })

  test('of npm are all scripts', () => {
    const named = Array.from(
      readme.matchAll(/npm (?:run )?(start|test|[a-z]+(?= --))/g),
      ([, name = '']) => name,
    )
    expect(named.length).toBeGreaterThan(2)
    for (const name of named) expect(Object.keys(scripts)).toContain(name)
  })

  test('hand what is done to npm on to the program', () => {
    // Without `exec` a shell stands in between, dies of the signal alone, and leaves the node behind.
    expect(scripts['start']).toMatch(/^exec node /)
  })

  test('of the program are those that it has', async () => {
    const { stdout } = await run(process.execPath, [join(root, 'dist/cli/main.js'), '--help'])
    const [, listed = ''] = stdout.split('Commands:')
    const names = Array.from(listed.matchAll(/^ {2}([a-z-]+) /gm), ([, name = '']) => name)
    expect(table('command').map(([name]) => unquoted(name))).toEqual(names.filter((name) => name !== 'help'))
  })
})

describe('the first workflow', () => {
  test('compiles and runs as it stands', { timeout: 90_000 }, async () => {
    const [code = ''] = blocks('ts')
    await mkdir(join(root, '.cerebelum'), { recursive: true })
    const folder = await mkdtemp(join(root, '.cerebelum', 'readme-'))
    const name = `readme_${randomBytes(4).toString('hex')}`
    const sql = connect(databaseUrl(), { max: 1 })
    try {
      await writeFile(join(folder, 'first.ts'), code)
      const config = { extends: '../../tsconfig.json', include: ['first.ts'] }
      await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(config))
      const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
      await run(process.execPath, [compiler, '-p', folder])
      await sql`create database ${sql(name)}`
      const url = new URL(databaseUrl())
      url.pathname = `/${name}`
      const { stdout } = await run(process.execPath, ['--import', 'tsx', join(folder, 'first.ts')], {
        cwd: root,
        env: { ...process.env, DATABASE_URL: url.href },
      })
      expect(stdout).toContain("label: 'label for lamp'")
      expect(stdout).toMatch(/payment: 'payment of 4200, once for .+'/)
      expect(stdout).not.toContain('refunded')
    } finally {
      await sql`drop database if exists ${sql(name)}`.finally(() => sql.end({ timeout: 5 }))
      await rm(folder, { recursive: true, force: true })
    }
  })
})

describe('the tables', () => {
  test('name every setting, with its variable and its default', () => {
    const defaults = readConfig({}, {})
    const said: Partial<Record<keyof Config, string>> = {
      databaseUrl: 'embedded PostgreSQL',
      databasePort: 'none',
      corsOrigins: 'none',
      port: String(DEFAULT_PORT),
      region: 'local',
      retention: '30 days',
      archiveDir: 'none',
      logLevel: 'info, example warn',
    }
    const expected = NODE_FLAGS.map((name) => [
      flagOf(name),
      variableOf(name),
      said[name] ?? String(defaults[name]),
    ])
    expect(NODE_FLAGS.toSorted()).toEqual(Object.keys(defaults).toSorted())
    expect(
      table('flag')
        .map((row) => row.slice(0, 3).map(unquoted).join())
        .toSorted(),
    ).toEqual(expected.map((row) => row.join()).toSorted())
  })

  test('name every exit code', () => {
    const codes = table('exit code').map(([code]) => code)
    expect(codes).toEqual([...Object.values(EXIT).map(String), '128 + n'])
  })

  test('give a reason for every run-time dependency', () => {
    const rows = table('package')
    expect(rows.map(([name]) => unquoted(name)).toSorted()).toEqual(Object.keys(dependencies).toSorted())
    for (const [name, why = ''] of rows) expect(why.length, name).toBeGreaterThan(10)
  })
})

function flagOf(name: string): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
}
