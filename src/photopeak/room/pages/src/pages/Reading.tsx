// Reading one study: its pictures, what the network thinks, what the reader says.

import { useCallback, useEffect, useMemo, useRef, useState } from 'preact/hooks'
import { type Mark, type Picture, type Point, type StudyDetail, type User, type Vocabulary, get, send } from '../api'
import { imageOf, useDraft } from '../draft'
import { useNetwork, useOverlays } from '../network'
import { go } from '../router'
import { MAPS, type MapName } from '../viewer/colours'
import { type Look, WHOLE, outline } from '../viewer/geometry'
import type { Drawn, Tool } from '../viewer/View'
import { date, namesOf, personName } from '../words'
import { Findings } from './Findings'
import { NetworkPanel } from './NetworkPanel'
import { Planar } from './Planar'
import { Volume } from './Volume'
import { Series } from './Series'

export interface Display {
  low: number
  high: number
  map: MapName
  root: boolean
  dual: boolean
}

const TOOLS: [Tool, string, string][] = [
  ['look', 'V', 'Look: drag moves, right drag windows, wheel zooms'],
  ['outline', 'O', 'Draw an outline by hand'],
  ['polygon', 'P', 'Polygon: click corners, Enter or a double click closes'],
  ['rectangle', 'R', 'Rectangle'],
  ['ellipse', 'E', 'Ellipse'],
  ['brush', 'B', 'Brush: adds to the chosen mark; with Shift it takes away'],
]

export function Reading({ study, cohort, user }: { study: number; cohort: number; user: User }) {
  const [detail, setDetail] = useState<StudyDetail | null>(null)
  const [pictures, setPictures] = useState<{ state: string; pictures: Picture[] } | null>(null)
  const [vocabulary, setVocabulary] = useState<Vocabulary | null>(null)
  const [fault, setFault] = useState('')
  const [which, setWhich] = useState(0)
  const [tool, setTool] = useState<Tool>('look')
  const [look, setLook] = useState<Look>(WHOLE)
  const [display, setDisplay] = useState<Display>({ low: 0, high: 1, map: 'grey', root: false, dual: localStorage.getItem('dual') !== 'no' })
  const [chosen, setChosen] = useState('')
  const [brush, setBrush] = useState(4)
  const [prior, setPrior] = useState(0)
  const [help, setHelp] = useState(false)
  const may = user.may.includes('read')
  const draft = useDraft(study, cohort, may)
  const network = useNetwork(study, cohort, draft)
  const suffix = cohort ? `?cohort=${cohort}` : ''

  useEffect(() => {
    const failed = (e: Error) => setFault(e.message)
    get<StudyDetail>(`/api/studies/${study}`).then(setDetail, failed)
    get<Vocabulary>('/api/vocabulary').then(setVocabulary, failed)
    get<{ state: string; pictures: Picture[] }>(`/api/studies/${study}/pictures`).then((p) => {
      setPictures(p)
      setWhich(Math.max(0, p.pictures.findIndex((x) => x.manner !== 'refused')))
    }, failed)
  }, [study])
  const picture = pictures?.pictures[which]
  useEffect(() => {
    if (picture) setDisplay((d) => ({ ...d, low: picture.unit === "[hnsf'U]" ? -200 : 0, high: picture.unit === "[hnsf'U]" ? 300 : picture.top }))
    setLook(WHOLE)
  }, [picture])

  const marks = useMemo(() => draft.document.marks.filter((m) => network.shown || m.origin === 'drawn' || m.state !== 'open'), [draft.document.marks, network.shown])
  // A mark has one number, in the list and on every view.
  const numbered = useMemo(() => marks.map((m, i) => ({ ...m, number: i + 1 })), [marks])
  const planar = useMemo(() => pictures?.pictures.filter((p) => p.manner === 'planar') ?? [], [pictures])
  const names = useMemo(() => namesOf(pictures?.pictures ?? []), [pictures])
  const here = useCallback((m: Mark) => imageOf(m, planar) === picture?.image, [planar, picture])
  // Whoever chooses a mark wants to see it: its image comes to the front.
  const choose = (id: string) => {
    setChosen(id)
    const mark = marks.find((m) => m.id === id)
    const at = mark ? (pictures?.pictures.findIndex((p) => p.manner === 'planar' && p.image === imageOf(mark, planar)) ?? -1) : -1
    if (at >= 0 && at !== which) setWhich(at)
  }
  const drawn = useCallback(
    (d: Drawn) => {
      const id = crypto.randomUUID().slice(0, 8)
      const mark: Mark = { id, origin: 'drawn', state: 'accepted', number: null, finding: 'metastasis', site: '', image: picture?.image ?? '', view: d.view || 'anterior', shape: d.shape, points_px: d.points, comment: '' }
      draft.change((doc) => ({ ...doc, marks: [...doc.marks, mark] }))
      setChosen(id)
      setTool('look')
    },
    [draft, picture],
  )
  const brushed = async (view: string, stroke: Point[], erase: boolean) => {
    if (!picture) return
    const base = draft.document.marks.find((m) => m.id === chosen && m.view === view && here(m))
    const points = base ? outline(base) : []
    if (erase && !base) return
    try {
      const made = await send<{ points_px: Point[] }>('POST', '/api/outline', { stroke, radius_px: brush, base: points, rows: picture.rows, columns: picture.columns, erase })
      if (base) draft.change((doc) => ({ ...doc, marks: doc.marks.map((m) => (m.id === base.id ? edited({ ...m, shape: 'brush', points_px: made.points_px }) : m)) }))
      else drawn({ view, shape: 'brush', points: made.points_px })
    } catch (e) {
      setFault((e as Error).message)
    }
  }
  const moved = (id: string, points: Point[]) => draft.change((doc) => ({ ...doc, marks: doc.marks.map((m) => (m.id === id ? edited({ ...m, points_px: points }) : m)) }), `move ${id}`)
  const verdict = (id: string, state: Mark['state']) => draft.change((doc) => ({ ...doc, marks: doc.marks.map((m) => (m.id === id ? { ...m, state } : m)) }))

  const toPrior = () => {
    const others = detail?.others ?? []
    setPrior((p) => (p ? 0 : (others[0]?.key ?? 0)))
  }
  const step = (by: number) => {
    if (!marks.length) return
    const at = marks.findIndex((m) => m.id === chosen)
    choose(marks[(at + by + marks.length) % marks.length]!.id)
  }
  const remove = () => {
    const mark = draft.document.marks.find((m) => m.id === chosen)
    if (!mark) return
    if (mark.origin === 'network') verdict(chosen, 'rejected')
    else draft.change((doc) => ({ ...doc, marks: doc.marks.filter((m) => m.id !== chosen) }))
  }
  const keys: Record<string, () => void> = {
    ...Object.fromEntries(TOOLS.map(([t, k]) => [k.toLowerCase(), () => may && !draft.finished && setTool(t)])),
    i: () => setDisplay((d) => ({ ...d, map: d.map === 'grey' ? 'grey on black' : 'grey' })),
    d: () => setDisplay((d) => ({ ...d, dual: !d.dual })),
    q: () => setDisplay((d) => ({ ...d, root: !d.root })),
    '[': () => setDisplay((d) => ({ ...d, high: d.high / 1.25 })),
    ']': () => setDisplay((d) => ({ ...d, high: d.high * 1.25 })),
    '0': () => { setLook(WHOLE); if (picture) setDisplay((d) => ({ ...d, low: 0, high: picture.top })) },
    h: () => network.setOpacity(network.opacity ? 0 : 0.5),
    n: () => void network.toggle(),
    a: () => chosen && verdict(chosen, 'accepted'),
    x: () => chosen && (draft.document.marks.find((m) => m.id === chosen)?.origin === 'network' ? verdict(chosen, 'rejected') : remove()),
    j: () => step(1),
    k: () => step(-1),
    y: toPrior,
    '?': () => setHelp((v) => !v),
    Delete: remove,
    Backspace: remove,
  }
  useKeyboard(keys, draft.undo, draft.redo, () => void draft.save())
  const overlays = useOverlays(study, network.data, network.shown, network.why)
  if (fault && !detail) return <main class="message"><p role="alert">{fault}</p><a href="/">Worklist</a></main>
  return (
    <main class="reading">
      <section class="stage">
        <div class="toolbar" role="toolbar" aria-label="Tools">
          <Who detail={detail} />
          {may && !draft.finished && TOOLS.map(([t, k, words]) => (
            <button key={t} class={t === tool ? 'on' : ''} aria-pressed={t === tool} title={`${words} (${k})`} onClick={() => setTool(t)}>{t}</button>
          ))}
          {tool === 'brush' && <input type="range" min="1" max="30" value={brush} aria-label="Brush radius in pixels" onInput={(e) => setBrush(Number(e.currentTarget.value))} />}
          <span class="gap" />
          <select aria-label="Colour map" value={display.map} onChange={(e) => setDisplay({ ...display, map: e.currentTarget.value as MapName })}>
            {MAPS.map((m) => <option key={m}>{m}</option>)}
          </select>
          <button aria-pressed={display.root} class={display.root ? 'on' : ''} title="Square root of the counts (Q)" onClick={keys.q}>√</button>
          <button aria-pressed={display.dual} class={display.dual ? 'on' : ''} title="Two intensities (D)" onClick={() => { localStorage.setItem('dual', display.dual ? 'no' : 'yes'); keys.d!() }}>dual</button>
          {detail && detail.others.length > 0 && <button aria-pressed={prior > 0} class={prior ? 'on' : ''} title="Another study beside (Y)" onClick={toPrior}>prior</button>}
          <button title="Whole image, first window (0)" onClick={keys['0']}>reset</button>
          <button title="Keys (?)" aria-expanded={help} onClick={() => setHelp(!help)}>?</button>
        </div>
        {pictures && pictures.pictures.length > 1 && (
          <div class="strip" role="tablist" aria-label="Pictures">
            {pictures.pictures.map((p, i) => (
              <button key={i} role="tab" aria-selected={i === which} class={i === which ? 'on' : ''} title={p.refused} onClick={() => setWhich(i)}>
                {p.manner === 'refused' ? '⚠ ' : ''}{names[i]}
              </button>
            ))}
          </div>
        )}
        {picture?.manner === 'refused' && <Refused study={study} why={picture.refused ?? ''} may={may} />}
        {picture && pictures && (picture.manner === 'planar') && (
          <Planar study={study} state={pictures.state} picture={picture} prior={prior} look={look} onLook={setLook} display={display}
            onWindow={(low, high) => setDisplay((d) => ({ ...d, low, high }))} tool={tool} brush={brush} marks={numbered.filter(here)} chosen={chosen} onChoose={choose}
            onDrawn={drawn} onBrush={(v, s, e) => void brushed(v, s, e)} onMarkMoved={draft.finished ? undefined : moved} overlays={overlays[picture.image] ?? {}} opacity={network.opacity} />
        )}
        {picture && pictures && ['dynamic', 'gated', 'projections'].includes(picture.manner) && (
          <Series key={which} study={study} state={pictures.state} picture={picture} look={look} onLook={setLook} display={display} onWindow={(low, high) => setDisplay((d) => ({ ...d, low, high }))} />
        )}
        {picture && pictures && picture.manner === 'volume' && (
          <Volume key={which} study={study} state={pictures.state} picture={picture} pictures={pictures.pictures} display={display} onWindow={(low, high) => setDisplay((d) => ({ ...d, low, high }))} />
        )}
        {help && <Keys onClose={() => setHelp(false)} />}
      </section>
      <aside class="panel" aria-label="Findings">
        <NetworkPanel network={network} detail={detail} marks={draft.document.marks} pictures={pictures?.pictures ?? []} names={names} which={which} onWhich={setWhich} />
        {may ? (
          <Findings draft={draft} marks={marks} chosen={chosen} onChoose={choose} vocabulary={vocabulary} study={study} planar={planar} labels={planar.map((p) => names[pictures!.pictures.indexOf(p)]!)} onVerdict={verdict} onRemove={remove}
            onDone={() => go(cohort ? `/cohorts/${cohort}` : user.may.includes('report') ? `/studies/${study}/report` : '/')} cohort={cohort} />
        ) : (
          <p class="hint">Your role looks without reading.</p>
        )}
        {fault && <p class="fault" role="alert">{fault}</p>}
        {!cohort && <p class="links"><a href={`/studies/${study}/report`}>Report</a> · <a href={`/api/studies/${study}/labelme${suffix ? `${suffix}&` : '?'}image=${picture?.manner === 'planar' ? picture.image : ''}`} download>my marks {planar.length > 1 ? 'on this image ' : ''}as LabelMe</a></p>}
      </aside>
    </main>
  )
}

export function edited(mark: Mark): Mark {
  return mark.origin === 'network' ? { ...mark, state: 'edited' } : mark
}

function Who({ detail }: { detail: StudyDetail | null }) {
  if (!detail) return <span class="patient" />
  return (
    <span class="patient" title={`${detail.name}\n${detail.issuer}\n${detail.description}`}>
      <strong>{personName(detail.name).slice(0, 40)}</strong> <span>{detail.patient_id.slice(0, 30)} · {detail.sex} · {date(detail.date)}</span>
    </span>
  )
}

function useKeyboard(keys: Record<string, () => void>, undo: () => void, redo: () => void, save: () => void) {
  const now = useRef({ keys, undo, redo, save })
  now.current = { keys, undo, redo, save }
  useEffect(() => {
    const pressed = (e: KeyboardEvent) => {
      const field = e.target as HTMLElement
      if (field.matches('textarea, select, input:not([type=range]):not([type=checkbox]):not([type=radio])')) return
      const k = e.key.length === 1 ? e.key.toLowerCase() : e.key
      if (e.ctrlKey || e.metaKey) {
        if (k === 'z') e.shiftKey ? now.current.redo() : now.current.undo()
        else if (k === 'y') now.current.redo()
        else if (k === 's') now.current.save()
        else return
        return e.preventDefault()
      }
      if (e.altKey || localStorage.getItem('single keys') === 'off') return
      const act = now.current.keys[k]
      if (act) {
        e.preventDefault()
        act()
      }
    }
    window.addEventListener('keydown', pressed)
    return () => window.removeEventListener('keydown', pressed)
  }, [])
}

function Refused({ study, why, may }: { study: number; why: string; may: boolean }) {
  const [fact, setFact] = useState('')
  const [said, setSaid] = useState('')
  const state = async () => {
    const [key = '', value = ''] = fact.split('=')
    try {
      await send('PUT', `/api/studies/${study}/assumed`, { facts: { [key.trim()]: value.trim() } })
      location.reload()
    } catch (e) {
      setSaid((e as Error).message)
    }
  }
  return (
    <div class="refused" role="alert">
      <h2>This cannot be shown</h2>
      <p>{why}</p>
      {may && (
        <form onSubmit={(e) => { e.preventDefault(); void state() }}>
          <label>If you know what the file lacks, state it <input placeholder="view=anterior" value={fact} onInput={(e) => setFact(e.currentTarget.value)} /></label>
          <button>State it and read again</button>
        </form>
      )}
      {said && <p class="fault">{said}</p>}
    </div>
  )
}

function Keys({ onClose }: { onClose: () => void }) {
  const [off, setOff] = useState(localStorage.getItem('single keys') === 'off')
  const rows = [
    ['V O P R E B', 'look, outline, polygon, rectangle, ellipse, brush'],
    ['right drag, [ ]', 'window'], ['wheel, drag', 'zoom, move'], ['I, Q, D', 'invert, square root, two intensities'],
    ['N', 'show or hide what the network thinks'], ['H', 'its map'], ['J K', 'next, previous mark'], ['A X', 'accept, reject'],
    ['Y', 'prior study beside'], ['Ctrl Z / Y', 'undo, redo'], ['Ctrl S', 'save now'], ['0', 'whole image'],
  ]
  return (
    <div class="keys" role="dialog" aria-label="Keys">
      <table><tbody>{rows.map(([k, w]) => <tr key={k}><th>{k}</th><td>{w}</td></tr>)}</tbody></table>
      <label class="inline"><input type="checkbox" checked={off} onChange={(e) => { setOff(e.currentTarget.checked); localStorage.setItem('single keys', e.currentTarget.checked ? 'off' : 'on') }} /> single keys off</label>
      <button onClick={onClose}>Close</button>
    </div>
  )
}
