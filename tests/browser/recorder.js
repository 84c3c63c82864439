// The script of the pages of `tests/browser/server.rs`: records what comes, for the tests to read.
import { connectPage } from "./ws-server/client.js";

const { dataset } = document.querySelector("script[data-route]");
// Twenty cuts with the delays of the real client would take longer than a page is kept.
const live = connectPage(dataset.route, { ...dataset, minDelay: 20, maxDelay: 100 });
window.recorded = { live, numbers: [], said: [], resets: [], states: [] };
live.on("number", (number) => recorded.numbers.push(number));
live.on("said", (text) => recorded.said.push(text));
live.addEventListener("reset", ({ detail }) => recorded.resets.push(detail));
live.addEventListener("state", ({ detail }) => recorded.states.push(detail));
