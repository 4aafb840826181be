// A reader's draft: changed here, undone here, saved by itself, and kept in this browser while the server is away.

import { useCallback, useEffect, useRef, useState } from 'preact/hooks'
import { type Mark, type Network, type Picture, type Read, type ReadDocument, Refused, get, send } from './api'

const EMPTY: ReadDocument = { metastasis: '', arthritis: '', marks: [], comment: '' }
const SAVE_MS = 700

export interface Draft {
  document: ReadDocument
  read: Read | null
  others: Read[]
  loaded: boolean
  finished: boolean
  saved: 'saved' | 'saving' | 'unsaved' | 'failed'
  fault: string
  change: (how: (doc: ReadDocument) => ReadDocument, together?: string) => void
  undo: () => void
  redo: () => void
  save: () => Promise<boolean>
  begin: () => Promise<void>
  adopt: (network: Network) => void
  finish: (second: boolean) => Promise<boolean>
  again: () => Promise<void>
}

export function useDraft(study: number, cohort: number, may: boolean): Draft {
  const path = `/api/studies/${study}/read`
  const query = cohort ? `?cohort=${cohort}` : ''
  const local = `draft ${study} ${cohort}`
  const [document, setDocument] = useState<ReadDocument>(EMPTY)
  const [read, setRead] = useState<Read | null>(null)
  const [others, setOthers] = useState<Read[]>([])
  const [loaded, setLoaded] = useState(false)
  const [saved, setSaved] = useState<Draft['saved']>('saved')
  const [fault, setFault] = useState('')
  const past = useRef<ReadDocument[]>([])
  const future = useRef<ReadDocument[]>([])
  const last = useRef('')
  const now = useRef({ document, read })
  now.current = { document, read }
  const active = useRef(performance.now())
  const running = useRef<Promise<boolean> | null>(null)

  useEffect(() => {
    if (!may) return
    get<{ read: Read | null; others: Read[] }>(path + query).then(
      (said) => {
        setRead(said.read)
        setOthers(said.others)
        const kept = keptHere(local)
        const newer = kept && kept.version === (said.read?.version ?? 0) && said.read?.state !== 'finished'
        setDocument(newer ? kept.document : (said.read?.document as ReadDocument) ?? EMPTY)
        if (newer) setSaved('unsaved')
        else localStorage.removeItem(local)
        setLoaded(true)
      },
      (e: Error) => setFault(e.message),
    )
  }, [study, cohort])

  const put = useCallback(async (keepalive = false): Promise<boolean> => {
    const doc = now.current.document
    const seconds = Math.min(600, (performance.now() - active.current) / 1000)
    active.current = performance.now()
    setSaved('saving')
    try {
      const said = await send<{ read: Read }>('PUT', path + query, { version: now.current.read?.version ?? 0, document: doc, active_seconds: seconds }, keepalive)
      now.current.read = said.read
      setRead(said.read)
      setFault('')
      const still = now.current.document === doc
      setSaved(still ? 'saved' : 'unsaved')
      if (still) localStorage.removeItem(local)
      return true
    } catch (e) {
      setSaved('failed')
      setFault((e as Error).message)
      return false
    }
  }, [path, query])

  const save = useCallback((): Promise<boolean> => {
    // One saving at a time: the next one has the version that this one gets.
    const before = running.current ?? Promise.resolve(true)
    const mine = before.then(() => put())
    running.current = mine
    return mine
  }, [put])

  useEffect(() => {
    if (saved !== 'unsaved') return
    localStorage.setItem(local, JSON.stringify({ version: read?.version ?? 0, document }))
    const timer = setTimeout(() => void save(), SAVE_MS)
    return () => clearTimeout(timer)
  }, [document, saved])
  useEffect(() => {
    if (saved !== 'failed' || !fault.startsWith('The server')) return
    const timer = setTimeout(() => void save(), 5000)
    return () => clearTimeout(timer)
  }, [saved, fault])
  useEffect(() => {
    const hidden = () => {
      if (localStorage.getItem(local)) void put(true)
    }
    window.addEventListener('pagehide', hidden)
    return () => window.removeEventListener('pagehide', hidden)
  }, [put])

  const finished = read?.state === 'finished'
  const change = useCallback((how: (doc: ReadDocument) => ReadDocument, together = '') => {
    if (now.current.read?.state === 'finished') return
    const before = now.current.document
    const after = how(before)
    if (after === before) return
    if (!together || together !== last.current) past.current = [...past.current.slice(-199), before]
    last.current = together
    future.current = []
    now.current.document = after
    setDocument(after)
    setSaved('unsaved')
  }, [])
  const travel = (from: { current: ReadDocument[] }, to: { current: ReadDocument[] }) => {
    const there = from.current.pop()
    if (!there || finished) return
    to.current.push(now.current.document)
    last.current = ''
    now.current.document = there
    setDocument(there)
    setSaved('unsaved')
  }
  const begin = async () => {
    if (may && !now.current.read) await save()
  }
  const adopt = (network: Network) => {
    if (!may) return
    const before = now.current.document.marks
    const marks = adopted(before, network)
    if (marks !== before) change((doc) => ({ ...doc, marks }))
  }
  const finish = async (second: boolean) => {
    if (!(await save())) return false
    try {
      const said = await send<{ read: Read }>('POST', `${path}/finish${query}`, { version: now.current.read!.version, second_reader: second })
      setRead(said.read)
      return true
    } catch (e) {
      setFault((e as Error).message)
      return false
    }
  }
  const again = async () => {
    try {
      const said = await send<{ read: Read }>('POST', `${path}/again`)
      setRead(said.read)
      setDocument(said.read.document)
    } catch (e) {
      setFault((e as Refused).message)
    }
  }
  return { document, read, others, loaded, finished, saved, fault, change, undo: () => travel(past, future), redo: () => travel(future, past), save, begin, adopt, finish, again }
}

/** The name of the image that a mark lies on: marks from before it was kept lie on the first planar one. */
export function imageOf(mark: Mark, planar: Picture[]): string {
  return mark.image || (planar[0]?.image ?? '')
}

/** The marks with the network's lesions of every image among them; the same list where nothing is new. */
export function adopted(marks: Mark[], network: Network): Mark[] {
  const bundle = (network.bundle_sha256 ?? '').slice(0, 6)
  // Drafts from before an image was named hold the first reading's lesions, under their numbers alone.
  const old = new RegExp(`^n\\d+-${bundle}$`)
  const first = network.documents[0]?.image
  const kept = marks.map((m) => (first && !m.image && old.test(m.id) ? { ...m, image: first } : m))
  const have = new Set(kept.map((m) => (old.test(m.id) ? `${m.id}-${short(m.image ?? '')}` : m.id)))
  const fresh: Mark[] = network.documents.flatMap((d) =>
    (d.reading.findings ?? []).map((f) => ({ id: `n${f.number}-${bundle}-${short(d.image)}`, origin: 'network' as const, state: 'open' as const, number: f.number, finding: f.kind, site: f.site, image: d.image, view: f.view, shape: 'polygon' as const, points_px: f.outline_px, comment: '' })),
  ).filter((m) => !have.has(m.id))
  return fresh.length || kept.some((m, i) => m !== marks[i]) ? [...kept, ...fresh] : marks
}

/** Eight hexadecimal digits of an image's name (FNV-1a): a mark's ID holds 64 characters, and a UID may alone. */
function short(image: string): string {
  let hash = 0x811c9dc5
  for (const c of image) hash = Math.imul(hash ^ c.codePointAt(0)!, 0x01000193)
  return (hash >>> 0).toString(16).padStart(8, '0')
}

function keptHere(name: string): { version: number; document: ReadDocument } | null {
  try {
    return JSON.parse(localStorage.getItem(name) ?? 'null')
  } catch {
    return null
  }
}
