// What readers of one study said, side by side without their names; an adjudicator decides what is open.

import { useEffect, useState } from 'preact/hooks'
import { type Picture, type Point, type Row, type User, get, send } from '../api'
import { go } from '../router'
import { type Look, WHOLE } from '../viewer/geometry'
import { plane as fetchPlane } from '../viewer/planes'
import { type Plane, View } from '../viewer/View'
import { namesOf, personName } from '../words'
import { viewsOf } from './Planar'

interface Lesion {
  id: string
  finding: string
  site: string
  image: string
  view: string
  majority: boolean
  markers: number[]
  points_px: Point[]
  outlines: Record<string, Point[]>
}

interface Review {
  readers: string[]
  votes: Record<string, string[]>
  majority: Record<string, boolean | null>
  lesions: Lesion[]
  decided: { metastasis: string; arthritis: string; reason: string; marks: { id: string }[] } | null
  study: Row
}

const INKS = ['#1b7837', '#762a83', '#b35806', '#2166ac', '#c51b7d']
const DASHES = ['', '6 3', '2 3', '8 3 2 3', '1 2']

export function Consensus({ cohort, study }: { cohort: number; study: number; user: User }) {
  const [review, setReview] = useState<Review | null>(null)
  const [pictures, setPictures] = useState<{ state: string; planar: Picture[]; names: string[] } | null>(null)
  const [which, setWhich] = useState(0)
  const [planes, setPlanes] = useState<{ plane: Plane; view: string; top: number; unit: string }[]>([])
  const [keep, setKeep] = useState<Record<string, string>>({})
  const [answers, setAnswers] = useState<Record<string, string>>({})
  const [reason, setReason] = useState('')
  const [chosen, setChosen] = useState('')
  const [look, setLook] = useState<Look>(WHOLE)
  const [fault, setFault] = useState('')
  useEffect(() => {
    const failed = (e: Error) => setFault(e.message)
    get<Review>(`/api/cohorts/${cohort}/studies/${study}/review`).then((r) => {
      setReview(r)
      setKeep(Object.fromEntries(r.lesions.map((l) => [l.id, r.decided ? (r.decided.marks.some((m) => m.id === l.id) ? 'merged' : 'none') : l.majority ? 'merged' : ''])))
      setAnswers(Object.fromEntries(['metastasis', 'arthritis'].map((q) => [q, r.decided ? (r.decided as never)[q] : r.majority[q] == null ? '' : r.majority[q] ? 'yes' : 'no'])))
      setReason(r.decided?.reason ?? '')
    }, failed)
    get<{ state: string; pictures: Picture[] }>(`/api/studies/${study}/pictures`).then((p) => {
      const planar = p.pictures.filter((x) => x.manner === 'planar')
      setPictures({ state: p.state, planar, names: namesOf(planar) })
    }, failed)
  }, [cohort, study])
  useEffect(() => {
    const picture = pictures?.planar[which]
    if (!pictures || !picture) return
    let current = true
    Promise.all(viewsOf(picture).slice(0, 2).map(async (view, i) => ({ view, plane: await fetchPlane(study, pictures.state, picture, i), top: picture.top, unit: picture.unit })))
      .then((made) => current && setPlanes(made), (e: Error) => setFault(e.message))
    return () => {
      current = false
    }
  }, [pictures, which])
  if (!review) return <main class="plain"><p class="fault" role="alert">{fault}</p></main>
  const planar = pictures?.planar ?? []
  const at = (l: Lesion) => (l.image ? planar.findIndex((p) => p.image === l.image) : 0)
  const choose = (l: Lesion) => {
    setChosen(chosen === l.id ? '' : l.id)
    if (at(l) >= 0) setWhich(at(l))
  }
  const open = review.lesions.filter((l) => !keep[l.id])
  const decide = async () => {
    const marks = review.lesions.filter((l) => keep[l.id] && keep[l.id] !== 'none').map((l) => ({
      id: l.id, origin: 'drawn', state: 'accepted', number: null, finding: l.finding, site: l.site, image: l.image, view: l.view, shape: 'polygon',
      points_px: keep[l.id] === 'merged' ? l.points_px : l.outlines[keep[l.id]!], comment: '',
    }))
    try {
      await send('PUT', `/api/cohorts/${cohort}/studies/${study}/consensus`, { ...answers, marks, reason })
      go(`/cohorts/${cohort}`)
    } catch (e) {
      setFault((e as Error).message)
    }
  }
  return (
    <main class="reading">
      <section class="stage">
        <div class="toolbar"><span class="patient"><strong>{personName(review.study.name)}</strong> <span>{review.study.patient_id}</span></span>
          <span class="gap" />{review.readers.map((r, i) => <span key={r} class="legend"><svg width="26" height="8" aria-hidden="true"><line x1="0" y1="4" x2="26" y2="4" stroke={INKS[i % 5]} stroke-width="2" stroke-dasharray={DASHES[i % 5]} /></svg> {r}</span>)}
        </div>
        {planar.length > 1 && (
          <div class="strip" role="tablist" aria-label="Pictures">
            {planar.map((p, i) => <button key={p.image} role="tab" aria-selected={i === which} class={i === which ? 'on' : ''} onClick={() => { setChosen(''); setWhich(i) }}>{pictures!.names[i]}</button>)}
          </div>
        )}
        <div class="views">
          {planes.map((p) => (
            <View key={p.view} name="consensus" view={p.view} plane={p.plane} look={look} onLook={setLook} unit={p.unit} window={{ low: 0, high: p.top, map: 'grey', root: false }}
              others={review.lesions.filter((l) => l.view === p.view && at(l) === which && (!chosen || l.id === chosen)).flatMap((l) => Object.entries(l.outlines).map(([r, points]) => ({ points, colour: INKS[(Number(r) - 1) % 5]!, dash: DASHES[(Number(r) - 1) % 5]!, label: r })))} />
          ))}
        </div>
      </section>
      <aside class="panel" aria-label="Consensus">
        <h2>Consensus</h2>
        {['metastasis', 'arthritis'].map((q) => (
          <div key={q} class="question" role="radiogroup" aria-label={q}>
            <span>{q}<small>{review.votes[q]?.map((v) => v || '–').join(', ')}</small></span>
            {['yes', 'no'].map((a) => <label key={a} class={answers[q] === a ? 'on' : ''}><input type="radio" name={q} checked={answers[q] === a} onChange={() => setAnswers({ ...answers, [q]: a })} />{a}</label>)}
          </div>
        ))}
        <ol class="marks-list">
          {[...review.lesions].sort((a, b) => Number(a.majority) - Number(b.majority)).map((l) => (
            <li key={l.id} class={`${l.majority ? 'agreed' : 'disputed'} ${chosen === l.id ? 'chosen' : ''}`}>
              <button class="mark-row" onClick={() => choose(l)} aria-pressed={chosen === l.id}>
                <span class="what">{l.finding}, {l.site || 'site not named'} <small>{l.view}{planar.length > 1 ? `, ${pictures!.names[at(l)] ?? 'on an image that is not here'}` : ''} · {l.markers.length} of {review.readers.length}</small></span>
              </button>
              <select aria-label={`Decide ${l.finding} ${l.site}`} value={keep[l.id]} onChange={(e) => setKeep({ ...keep, [l.id]: e.currentTarget.value })}>
                <option value="">open</option>
                <option value="merged">keep, merged</option>
                {l.markers.map((m) => <option key={m} value={String(m)}>keep reader {m}'s</option>)}
                <option value="none">neither</option>
              </select>
            </li>
          ))}
        </ol>
        <label class="comment">Reason <textarea rows={3} value={reason} onInput={(e) => setReason(e.currentTarget.value)} /></label>
        {open.length > 0 && <p class="hint">{open.length} lesions are still open.</p>}
        {fault && <p class="fault" role="alert">{fault}</p>}
        <footer><button class="primary" disabled={open.length > 0 || reason.trim().length < 3 || !answers.metastasis || !answers.arthritis} onClick={() => void decide()}>Decide</button></footer>
      </aside>
    </main>
  )
}
