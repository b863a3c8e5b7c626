import { render } from 'preact';
import { App } from './app';
import { keepOffline } from './keep-offline';
import './styles/colors.css';
import './styles/base.css';
import './styles/layout.css';
import './styles/controls.css';
import './styles/figures.css';

render(<App />, document.getElementById('app') as HTMLElement);

setTimeout(keepOffline, 20_000);
