// Answers that are refusals, as errors: the server's code, text and details, so that callers branch on codes whether they
// talk to a server or to a database.

import { CerebelumError, errorCode } from '../core/errors.js'

/** What problem details have beside what they tell of. */
const ENVELOPE: ReadonlySet<string> = new Set(['type', 'title', 'status', 'instance'])

/** The error that problem details tell of. */
export function errorOf(status: number, problem: unknown): CerebelumError {
  const { code, detail, executionStatus, ...rest } = Object(problem)
  const about = Object.entries(rest).filter(([name]) => !ENVELOPE.has(name))
  const details = Object.fromEntries([
    ...about,
    ...(executionStatus === undefined ? [] : [['status', executionStatus]]),
  ])
  const known = errorCode({ code })
  if (known !== undefined) return new CerebelumError(known, String(detail), details)
  const said = typeof code === 'string' ? `${code}: ${String(detail)}` : 'which is no answer of Cerebelum'
  return new CerebelumError(
    'UNEXPECTED_ANSWER',
    `The server answered ${status}, ${said}. Check the URL, what stands between, and that both are of one release.`,
    { ...details, httpStatus: status },
  )
}

export function unavailable(url: string, attempts: number, cause: unknown): CerebelumError {
  return new CerebelumError(
    'SERVER_UNAVAILABLE',
    `No answer from ${url} after ${attempts} attempts. Check the URL and the network; what was sent may have been done, ` +
      'and may be sent again with the same ids.',
    { cause },
  )
}
