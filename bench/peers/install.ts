// The rivals' packages, in a folder of their own that git ignores: installed on first use of the benchmark, at the
// versions of `package-lock.json`. A test only asks whether they are there.

import { spawn } from 'node:child_process'
import { access, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Rival } from './rivals.js'

/** The sources, also when this runs compiled: the rivals' programs are plain JavaScript and are not copied. */
const HERE = fileURLToPath(new URL('.', import.meta.url))
export const FOLDER = HERE.replace(/\.bench([\\/]bench[\\/]peers[\\/])$/, '$1')

/** absurd's schema comes from its own tool, which is no npm package. */
const ABSURD_TOOL = 'absurdctl==0.5.1'
const PYTHON_FOLDER = join(FOLDER, 'node_modules', '.python')

const INSTALL_DEADLINE_MS = 600_000

export async function install(rivals: readonly Rival[], onProgress: (text: string) => void): Promise<void> {
  if (!(await areInstalled(rivals))) {
    onProgress('installing the rivals (npm ci in bench/peers): once, about 35 MB')
    await runProgram('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error']).catch((error: unknown) => {
      throw new Error(
        'The packages of the rivals could not be installed. They come from the package registry that npm is set up ' +
          'for: check that it can be reached, run `npm ci` in bench/peers, then this again.',
        { cause: error },
      )
    })
  }
  if (rivals.some(({ name }) => name === 'absurd') && !(await exists(join(PYTHON_FOLDER, 'absurdctl')))) {
    onProgress(`installing absurd's schema (${ABSURD_TOOL})`)
    const parameters = [
      '-m',
      'pip',
      'install',
      '--quiet',
      '--no-deps',
      '--target',
      PYTHON_FOLDER,
      ABSURD_TOOL,
    ]
    await runProgram('python3', parameters).catch((error: unknown) => {
      throw new Error(
        "absurd's schema could not be installed: it comes from its Python tool, so python3 with pip is needed. " +
          'Install them, or leave absurd out with --only.',
        { cause: error },
      )
    })
  }
}

export async function areInstalled(rivals: readonly Rival[]): Promise<boolean> {
  for (const rival of rivals) if (!(await exists(packageFile(rival)))) return false
  return true
}

export async function versionOf(rival: Rival): Promise<string> {
  const text = await readFile(packageFile(rival), 'utf8')
  return /"version": *"([^"]+)"/.exec(text)?.[1] ?? 'unknown'
}

function packageFile(rival: Rival): string {
  return join(FOLDER, 'node_modules', rival.package, 'package.json')
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}

/** What it prints goes to standard error: standard output is the report's. */
async function runProgram(program: string, parameters: readonly string[]): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const child = spawn(program, parameters, {
      cwd: FOLDER,
      stdio: ['ignore', 2, 2],
      timeout: INSTALL_DEADLINE_MS,
      // `npm run` tells its children where its own project is: these are about another one.
      env: Object.fromEntries(Object.entries(process.env).filter(([name]) => !OF_THE_OUTER_NPM.test(name))),
    })
    child.once('error', reject)
    child.once('exit', (code) => {
      if (code === 0) resolve()
      else reject(new Error(`${program} ${parameters[0]} ended with code ${code}`))
    })
  })
}

const OF_THE_OUTER_NPM = /^npm_(?:package|lifecycle|config_(?:local_prefix|engine_strict|prefix))/i
