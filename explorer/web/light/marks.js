// How much was mined when, as far as a verifier knows: to notice a chain on which hardly anybody mines any more.

export const HOUR_MS = 3_600_000;
const HOURS = 26;

/** @typedef {{time: number, work: bigint}} Moment a block's time, and all work up to it */

/**
 * Of ascending moments, the tip's last, what is worth remembering: for each hour of the last day the last before it.
 * @param {Moment[]} moments
 * @returns {Moment[]}
 */
export function marksOf(moments) {
  const tip = moments[moments.length - 1];
  const kept = [];
  let place = 0;
  for (let hours = HOURS - 1; hours >= 0; hours -= 1) {
    while (place + 1 < moments.length && moments[place + 1].time <= tip.time - hours * HOUR_MS) place += 1;
    if (kept[kept.length - 1] !== moments[place]) kept.push(moments[place]);
  }
  return kept;
}

/**
 * The work of an hour on average over the last `ago` milliseconds before `now`, or since the first moment.
 * @param {Moment[]} marks
 * @param {number} now
 * @param {number} ago
 * @returns {{hourly: number, hours: number}}
 */
export function workRate(marks, now, ago) {
  const before = marks.filter((mark) => mark.time <= now - ago);
  const from = before.length ? before[before.length - 1] : marks[0];
  const hours = (now - from.time) / HOUR_MS;
  return { hourly: Number(marks[marks.length - 1].work - from.work) / Math.max(1, hours), hours };
}
