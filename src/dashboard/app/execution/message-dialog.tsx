// A message to an execution: a signal, an update or a query, with its name and a JSON value. What was last sent under
// that name is offered again, in this browser. Answers of updates and queries are shown.

import { useState } from 'preact/hooks'
import { change, newKey } from '../api/request.js'
import { Dialog } from '../parts/dialog.js'
import { JsonView } from '../parts/json.js'
import { textOf, toast } from '../parts/toasts.js'
import { load, save } from '../storage.js'

export type MessageKind = 'signal' | 'update' | 'query'

export interface MessageDialogProps {
  readonly kind: MessageKind
  readonly executionId: string
  readonly workflow: string
  readonly name: string
  readonly onClose: () => void
}

const TITLES: Readonly<Record<MessageKind, string>> = {
  signal: 'Send a signal',
  update: 'Send an update',
  query: 'Ask a query',
}
const PLURALS: Readonly<Record<MessageKind, string>> = {
  signal: 'signals',
  update: 'updates',
  query: 'queries',
}
const READY_MADE = ['true', 'false', '{ "approved": true }', '{ "approved": false }']

export function MessageDialog({ kind, executionId, workflow, name: given, onClose }: MessageDialogProps) {
  const [name, setName] = useState(given)
  const [payload, setPayload] = useState(() => lastSent(kind, workflow, given))
  const [problem, setProblem] = useState('')
  const [answer, setAnswer] = useState<{ readonly value: unknown } | undefined>()
  const [isBusy, setIsBusy] = useState(false)
  // One dialog is one message: sent again after a lost answer, it is the same.
  const [key] = useState(newKey)

  const send = async (): Promise<void> => {
    const body = parsed(payload)
    if (!body.isJson) return setProblem('The value is no JSON. Texts need quotes: "like this".')
    setIsBusy(true)
    setProblem('')
    try {
      const path = `/executions/${encodeURIComponent(executionId)}/${PLURALS[kind]}/${encodeURIComponent(name)}`
      const result = await change<{ result?: unknown }>(path, { key, body: body.value })
      save(storageKey(kind, workflow, name), payload)
      if (kind === 'signal') {
        toast(`Signal “${name}” is sent.`)
        onClose()
      } else setAnswer({ value: result?.result })
    } catch (error) {
      setProblem(textOf(error))
    } finally {
      setIsBusy(false)
    }
  }

  return (
    <Dialog title={TITLES[kind]} onClose={onClose} onSubmit={() => void (isBusy ? undefined : send())}>
      <label class="labeled">
        <span>Name</span>
        <input
          class="field"
          required
          spellcheck={false}
          value={name}
          onInput={(event) => setName(event.currentTarget.value)}
        />
      </label>
      <label class="labeled">
        <span>{kind === 'query' ? 'Argument' : 'Value'} (JSON; empty: none)</span>
        <textarea
          class="field"
          rows={5}
          spellcheck={false}
          value={payload}
          onInput={(event) => setPayload(event.currentTarget.value)}
        />
      </label>
      {kind !== 'query' && (
        <div class="chips" role="group" aria-label="Ready-made values">
          {READY_MADE.map((text) => (
            <button key={text} type="button" class="chip mono" onClick={() => setPayload(text)}>
              {text}
            </button>
          ))}
        </div>
      )}
      {problem !== '' && (
        <p class="note-bad" role="alert">
          {problem}
        </p>
      )}
      {answer !== undefined && (
        <div role="status">
          <h3>Answer</h3>
          {answer.value === undefined || answer.value === null ? (
            <p class="muted">Nothing (null).</p>
          ) : (
            <JsonView value={answer.value} what="answer" />
          )}
        </div>
      )}
      <div class="feet">
        <button type="button" class="button" onClick={onClose}>
          {answer === undefined ? 'Never mind' : 'Close'}
        </button>
        <button
          type="submit"
          class="button main"
          disabled={isBusy || (answer !== undefined && kind === 'update')}
        >
          {isBusy ? 'Waiting…' : kind === 'query' ? 'Ask' : 'Send'}
        </button>
      </div>
    </Dialog>
  )
}

function storageKey(kind: MessageKind, workflow: string, name: string): string {
  return `sent.${kind}.${workflow}.${name}`
}

/** What was last sent so; a wait for an approval begins with one. */
function lastSent(kind: MessageKind, workflow: string, name: string): string {
  const stored = load(storageKey(kind, workflow, name))
  if (typeof stored === 'string') return stored
  return kind === 'signal' && /approv/i.test(name) ? '{ "approved": true, "by": "dashboard" }' : ''
}

function parsed(text: string): { readonly isJson: boolean; readonly value?: unknown } {
  if (text.trim() === '') return { isJson: true }
  try {
    const value: unknown = JSON.parse(text)
    return { isJson: true, value }
  } catch {
    return { isJson: false }
  }
}
