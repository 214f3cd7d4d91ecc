// Cursors of lists: where the last page ended, opaque to the caller and checked on the way back.

import { checkInstant } from '../core/duration.js'
import { CerebelumError } from '../core/errors.js'
import { checkId } from '../core/ids.js'

export interface Cursor {
  readonly startedAt: Date
  readonly executionId: string
}

export function encodeCursor(cursor: Cursor): string {
  return Buffer.from(JSON.stringify([cursor.startedAt.toISOString(), cursor.executionId])).toString(
    'base64url',
  )
}

/** @throws CerebelumError INVALID_CURSOR */
export function decodeCursor(text: string, idCharactersMax: number): Cursor {
  try {
    const parsed: unknown = JSON.parse(Buffer.from(text, 'base64url').toString())
    if (Array.isArray(parsed) && typeof parsed[0] === 'string') {
      const startedAt = checkInstant(new Date(parsed[0]), 'cursor')
      const executionId = checkId(parsed[1], 'cursor', idCharactersMax)
      return { startedAt, executionId }
    }
  } catch {
    // Said below: whatever is wrong with it, the advice is the same.
  }
  throw new CerebelumError(
    'INVALID_CURSOR',
    'The cursor is not one that a list gave. Start again without one.',
  )
}
