import { render } from 'preact';
import { App } from './app';
import './styles/colors.css';
import './styles/base.css';
import './styles/layout.css';
import './styles/controls.css';
import './styles/figures.css';

render(<App />, document.getElementById('app') as HTMLElement);

if (import.meta.env.PROD && 'serviceWorker' in navigator) {
  // After the page is there: what it keeps for later must not slow down what is needed now.
  addEventListener('load', () => void navigator.serviceWorker.register('./service-worker.js'));
}
